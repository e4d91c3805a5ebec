resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/msk-connect/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  count = var.enabled ? 1 : 0

  alarm_name          = "${var.name}-failed"
  alarm_description   = "The task of ${var.name} has failed: changes wait in the database's log, which keeps them for a time only. Its log says why."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = { ConnectorName = var.name }
  evaluation_periods  = 1
  metric_name         = "ErroredTaskCount"
  namespace           = "AWS/KafkaConnect"
  period              = 60
  statistic           = "Maximum"
  threshold           = 0
  treat_missing_data  = "missing"
}

resource "aws_cloudwatch_metric_alarm" "not_running" {
  count = var.enabled ? 1 : 0

  alarm_name          = "${var.name}-not-running"
  alarm_description   = "No task of ${var.name} runs."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "LessThanThreshold"
  dimensions          = { ConnectorName = var.name }
  evaluation_periods  = 5 # a restart for maintenance takes less
  metric_name         = "RunningTaskCount"
  namespace           = "AWS/KafkaConnect"
  period              = 60
  statistic           = "Maximum"
  threshold           = 1
  treat_missing_data  = "breaching"
}

# A task that waits for its database, or for its brokers, runs all the same.
resource "aws_cloudwatch_metric_alarm" "silent" {
  count = var.enabled ? 1 : 0

  alarm_name          = "${var.name}-silent"
  alarm_description   = "${var.name} has written nothing for ${var.silent_minutes} minutes, not even a heartbeat."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "LessThanOrEqualToThreshold"
  dimensions          = { ConnectorName = var.name }
  evaluation_periods  = var.silent_minutes
  metric_name         = "SourceRecordWriteRate"
  namespace           = "AWS/KafkaConnect"
  period              = 60
  statistic           = "Maximum"
  threshold           = 0
  treat_missing_data  = "breaching"
}
