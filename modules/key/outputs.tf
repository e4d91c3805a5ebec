output "alias_name" {
  description = "Name of the alias, with `alias/`."
  value       = aws_kms_alias.this.name
}

output "arn" {
  description = "ARN of the key."
  value       = local.key.arn
}

output "key_id" {
  description = "Id of the key; of a multi-Region key the same in every region."
  value       = local.key.key_id
}
