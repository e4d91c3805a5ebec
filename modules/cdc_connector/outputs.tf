output "connector" {
  description = "Name and settings of the connector, as JSON without a password: locally what `jobs/connectors.py` applies."
  value       = jsonencode({ name = var.name, config = local.config })
}

output "connector_arn" {
  description = "ARN of the connector; null locally, and where it is not enabled."
  value       = one(aws_mskconnect_connector.this[*].arn)
}

output "connector_name" {
  description = "Name of the connector."
  value       = var.name
}

output "role_arn" {
  description = "ARN of the worker's role; null locally."
  value       = aws_iam_role.this.arn
}

output "topic_prefix" {
  description = "How the topics' names begin; a table's is `<prefix>.<database or schema>.<table>`."
  value       = local.topic_prefix
}
