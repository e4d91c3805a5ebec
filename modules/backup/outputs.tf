output "alarm_names" {
  description = "Full names of the alarms: `no_backup` and `copy_failed`."
  value = {
    copy_failed = aws_cloudwatch_metric_alarm.copy_failed.alarm_name
    no_backup   = aws_cloudwatch_metric_alarm.no_backup.alarm_name
  }
}

output "plan_id" {
  description = "Id of the backup plan."
  value       = aws_backup_plan.this.id
}

output "role_arn" {
  description = "ARN of the role that AWS Backup reads and copies with. It restores nothing."
  value       = aws_iam_role.this.arn
}

output "vault_arns" {
  description = "ARNs of the vaults: `source`, and `copy` in the second region."
  value = {
    copy   = aws_backup_vault.copy.arn
    source = aws_backup_vault.source.arn
  }
}

output "vault_name" {
  description = "Name of the vault, the same in both regions."
  value       = aws_backup_vault.source.name
}
