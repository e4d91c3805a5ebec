output "copy_role_arn" {
  description = "ARN of the role that COPY takes; null, because the local server reads from no bucket."
  value       = null
}

output "database" {
  description = "Name of the database."
  value       = module.postgres.database
}

output "host" {
  description = "Host name to connect to, with TLS."
  value       = module.postgres.host
}

output "namespace_arn" {
  description = "ARN of the namespace; null, because the local server has none."
  value       = null
}

output "port" {
  description = "Port to connect to."
  value       = module.postgres.port
}

output "secret_arn" {
  description = "ARN of the secret that holds `{\"username\", \"password\"}`."
  value       = module.postgres.secret_arn
}

output "security_group_id" {
  description = "Security group of the warehouse; null, because the local server is in no VPC."
  value       = null
}

output "workgroup_name" {
  description = "Name of the workgroup; null, because the local server has none."
  value       = null
}
