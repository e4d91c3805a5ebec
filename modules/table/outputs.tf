output "arn" {
  description = "ARN of the table in this provider's region."
  value       = aws_dynamodb_table.this.arn
}

output "name" {
  description = "Name of the table, the same in every region."
  value       = aws_dynamodb_table.this.id
}

output "replica_arns" {
  description = "ARNs of the table by region, of the replicas only."
  value       = { for replica in aws_dynamodb_table.this.replica : replica.region_name => replica.arn }
}

output "stream_arn" {
  description = "ARN of the stream of changes in this provider's region; null where there is none."
  value       = local.stream ? aws_dynamodb_table.this.stream_arn : null
}
