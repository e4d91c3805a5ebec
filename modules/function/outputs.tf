output "arn" {
  description = "ARN of the function, handed out once its permissions are in place, so that a bucket's notification finds them."
  value       = aws_lambda_function.this.arn
  depends_on  = [aws_lambda_permission.this]
}

output "dlq_arn" {
  description = "ARN of the dead-letter queue, null without one."
  value       = one(aws_sqs_queue.dead_letter[*].arn)
}

output "dlq_name" {
  description = "Name of the dead-letter queue, null without one."
  value       = one(aws_sqs_queue.dead_letter[*].name)
}

output "dlq_url" {
  description = "URL of the dead-letter queue, null without one."
  value       = one(aws_sqs_queue.dead_letter[*].id)
}

output "invoke_arn" {
  description = "ARN that API Gateway calls."
  value       = aws_lambda_function.this.invoke_arn
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "role_arn" {
  description = "ARN of the role that the code runs under."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the role that the code runs under."
  value       = aws_iam_role.this.name
}
