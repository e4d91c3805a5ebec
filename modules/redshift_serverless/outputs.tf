output "copy_role_arn" {
  description = "ARN of the role that COPY takes; it is the namespace's default, so that `IAM_ROLE default` does too."
  value       = aws_iam_role.copy.arn
}

output "database" {
  description = "Name of the database."
  value       = aws_redshiftserverless_namespace.this.db_name
}

output "host" {
  description = "Host name to connect to, with TLS."
  value       = aws_redshiftserverless_workgroup.this.endpoint[0].address
}

output "namespace_arn" {
  description = "ARN of the namespace, which holds the data."
  value       = aws_redshiftserverless_namespace.this.arn
}

output "port" {
  description = "Port to connect to."
  value       = aws_redshiftserverless_workgroup.this.port
}

output "secret_arn" {
  description = "ARN of the secret that holds `{\"username\", \"password\"}`."
  value       = aws_redshiftserverless_namespace.this.admin_password_secret_arn
}

output "security_group_id" {
  description = "Security group of the warehouse."
  value       = aws_security_group.this.id
}

output "workgroup_name" {
  description = "Name of the workgroup, for the Data API and the metrics."
  value       = aws_redshiftserverless_workgroup.this.workgroup_name
}
