output "application_arn" {
  description = "ARN of the application that the jobs run in."
  value       = aws_emrserverless_application.this.arn
}

output "application_id" {
  description = "Id of the application that the jobs run in."
  value       = aws_emrserverless_application.this.id
}

output "job_role_arns" {
  description = "ARN of the role that each job works as."
  value       = { for name, role in aws_iam_role.job : name => role.arn }
}

output "log_group_names" {
  description = "Name of the log group of each job."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "start_requests" {
  description = "What starts each job, as JSON: `aws emr-serverless start-job-run --cli-input-json`, or boto3's start_job_run."
  value       = { for name, request in local.requests : name => jsonencode(request) }
}
