output "database" {
  description = "Name of the database."
  value       = var.standin.database
}

output "host" {
  description = "Host name to connect to, with TLS."
  value       = var.standin.host
}

output "port" {
  description = "Port to connect to."
  value       = var.standin.port
}

output "resource_id" {
  description = "Resource ID, which IAM authentication grants `rds-db:connect` on."
  value       = "db-${upper(replace(var.name, "-", ""))}"
}

output "secret_arn" {
  description = "ARN of the secret that holds `{\"username\", \"password\"}`."
  value       = aws_secretsmanager_secret.this.arn
  depends_on  = [aws_secretsmanager_secret_version.this]
}

output "security_group_id" {
  description = "Security group of the database; null, because the local server is in no VPC."
  value       = null
}
