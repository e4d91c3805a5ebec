locals {
  # compact() instead of a count: the topic may be made in the same plan, when its ARN is not known yet.
  alarm_actions = compact([var.alarm_topic_arn])
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  alarm_name          = "${var.name}-failed"
  alarm_description   = "A job of ${var.name} failed for good: its log group is /orrery/spark/${var.name}/<job>."
  namespace           = "AWS/EMRServerless"
  metric_name         = "FailedJobs"
  dimensions          = { ApplicationId = aws_emrserverless_application.this.id, ApplicationName = var.name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

locals {
  # In hours where it is long: a run that begins or takes a little later than the day before is no silence.
  silence = { for name, job in var.jobs : name => (
    job.heartbeat.minutes < 360
    ? { period = job.heartbeat.minutes * 60, periods = 1 }
    : { period = 3600, periods = job.heartbeat.minutes / 60 + 2 }
  ) }
}

# A job that is not running, or that hangs, fails nowhere: its silence is what there is to see.
resource "aws_cloudwatch_log_metric_filter" "heartbeat" {
  for_each = var.jobs

  name           = "${var.name}-${each.key}-heartbeat"
  log_group_name = aws_cloudwatch_log_group.this[each.key].name
  pattern        = each.value.heartbeat.pattern

  metric_transformation {
    namespace = "Orrery/Spark"
    name      = "${var.name}-${each.key}-heartbeat"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each = var.jobs

  alarm_name          = "${var.name}-${each.key}-silence"
  alarm_description   = "The job ${each.key} of ${var.name} gave no sign of life for ${each.value.heartbeat.minutes} minutes."
  namespace           = "Orrery/Spark"
  metric_name         = aws_cloudwatch_log_metric_filter.heartbeat[each.key].metric_transformation[0].name
  statistic           = "Sum"
  period              = local.silence[each.key].period
  evaluation_periods  = local.silence[each.key].periods
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  actions_enabled     = var.enabled || each.value.schedule == null # what has no schedule to run is silent
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
