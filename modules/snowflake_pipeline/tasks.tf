locals {
  streams = { for name, stream in snowflake_stream_on_table.this : name => "${stream.database}.${stream.schema}.${stream.name}" }
  sink    = "${snowflake_table.sink.database}.${snowflake_table.sink.schema}.${snowflake_table.sink.name}"

  # A stream starts a task by itself where the task has a warehouse; a serverless one looks at it at its time.
  triggered = { for name, task in var.tasks : name => length(task.watches) > 0 && task.cron == null && task.serverless == null }
  every_s   = { for name, task in var.tasks : name => coalesce(task.every_s, 30) }

  # A semicolon stands on a line of its own, because a statement may end in a comment.
  blocks = { for name, task in var.tasks : name => join("\n", concat(
    ["BEGIN"],
    [for each in task.setup : "${trimspace(each)}\n;"],
    ["BEGIN TRANSACTION;"],
    [for each in task.statements : "${trimspace(each)}\n;"],
    [for each in sort(task.watches) : "INSERT INTO ${local.sink} (ACTION) SELECT METADATA$ACTION FROM ${local.streams[each]} WHERE 0 = 1;"],
    ["COMMIT;", "EXCEPTION", "WHEN OTHER THEN", "ROLLBACK;", "RAISE;", "END"],
  )) }
}

resource "snowflake_task" "this" {
  for_each = var.tasks

  database = snowflake_schema.landing.database
  schema   = snowflake_schema.landing.name
  name     = each.key
  comment  = each.value.comment
  started  = each.value.started

  warehouse                                     = each.value.serverless == null ? var.warehouse : null
  user_task_managed_initial_warehouse_size      = each.value.serverless
  user_task_minimum_trigger_interval_in_seconds = local.triggered[each.key] ? local.every_s[each.key] : null

  when          = length(each.value.watches) > 0 ? join(" OR ", [for table in sort(each.value.watches) : "SYSTEM$STREAM_HAS_DATA('${local.streams[table]}')"]) : null
  sql_statement = local.blocks[each.key]

  # What a statement gives must not depend on how an account is set.
  timezone  = "UTC"
  query_tag = "${var.name}.${each.key}"

  allow_overlapping_execution     = "false"
  error_integration               = one(snowflake_notification_integration.this[*].name)
  suspend_task_after_num_failures = each.value.failures_to_suspend
  user_task_timeout_ms            = each.value.timeout_s * 1000

  dynamic "schedule" {
    for_each = local.triggered[each.key] ? [] : [local.every_s[each.key]]

    content {
      using_cron = each.value.cron
      minutes    = each.value.cron == null && schedule.value % 60 == 0 ? schedule.value / 60 : null
      seconds    = each.value.cron == null && schedule.value % 60 != 0 ? schedule.value : null
    }
  }

  # A task is started when it is made, and then its owner must be allowed all that it does.
  depends_on = [
    snowflake_grant_account_role.administrators,
    snowflake_grant_ownership.tasks,
    snowflake_grant_privileges_to_account_role.account,
    snowflake_grant_privileges_to_account_role.integration,
    snowflake_grant_privileges_to_account_role.objects,
    snowflake_grant_privileges_to_account_role.place,
    snowflake_grant_privileges_to_account_role.schema,
  ]
}

# Counted by the role, whose ARN is written out; the topic's may be known only after the apply.
resource "snowflake_notification_integration" "this" {
  count = var.alarm_role_arn == null ? 0 : 1

  name                  = "${var.name}_ALARMS"
  comment               = "Failed tasks of ${var.name}"
  enabled               = true
  notification_provider = "AWS_SNS"
  aws_sns_topic_arn     = var.alarm_topic_arn
  aws_sns_role_arn      = var.alarm_role_arn
}
