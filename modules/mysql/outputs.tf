output "database" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "host" {
  description = "Host name to connect to, with TLS."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port to connect to."
  value       = aws_db_instance.this.port
}

output "resource_id" {
  description = "Resource ID, which IAM authentication grants `rds-db:connect` on."
  value       = aws_db_instance.this.resource_id
}

output "secret_arn" {
  description = "ARN of the secret that holds `{\"username\", \"password\"}`."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "security_group_id" {
  description = "Security group of the database."
  value       = aws_security_group.this.id
}
