output "alarm_external_id" {
  description = "External ID with which Snowflake takes `alarm_role_arn`; null without alarms."
  value       = one(snowflake_notification_integration.this[*].aws_sns_external_id)
}

output "alarm_user_arn" {
  description = "Snowflake's own AWS user that takes `alarm_role_arn`; null without alarms."
  value       = one(snowflake_notification_integration.this[*].aws_sns_iam_user_arn)
}

output "landing_schema" {
  description = "Schema of the landing tables, usable once the loader has its rights."
  value       = snowflake_schema.landing.name
  depends_on  = [snowflake_grant_privileges_to_account_role.objects, snowflake_grant_privileges_to_account_role.schema]
}

output "loader_role" {
  description = "Role that loads."
  value       = snowflake_account_role.this["LOADER"].name
}

output "merger_role" {
  description = "Role that owns the tasks and what they make."
  value       = snowflake_account_role.this["MERGER"].name
}

output "reader_role" {
  description = "Role that reads what was merged."
  value       = snowflake_account_role.this["READER"].name
}

output "stage" {
  description = "Full name of the stage; null where there is none."
  value       = one([for stage in snowflake_stage.this : "${stage.database}.${stage.schema}.${stage.name}"])
}

output "streams" {
  description = "Full names of the streams, by landing table."
  value       = local.streams
}

output "tasks" {
  description = "Full names of the tasks, by name."
  value       = { for name, task in snowflake_task.this : name => "${task.database}.${task.schema}.${task.name}" }
}
