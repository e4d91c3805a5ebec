output "cluster_arn" {
  description = "ARN of the cluster that the task runs in."
  value       = aws_ecs_cluster.this.arn
}

output "log_group_name" {
  description = "Name of the log group that holds what the task said."
  value       = aws_cloudwatch_log_group.this.name
}

output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "ARN of the role that the container works as."
  value       = aws_iam_role.task.arn
}
