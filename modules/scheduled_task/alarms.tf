locals {
  # compact() instead of a count: the topic may be made in the same plan, when its ARN is not known yet.
  alarm_actions = compact([var.alarm_topic_arn])
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "${var.name}-errors"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = var.error_pattern

  metric_transformation {
    namespace = "Orrery/Tasks"
    name      = "${var.name}-errors"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "The task ${var.name} logged an error: see ${aws_cloudwatch_log_group.this.name}."
  namespace           = "Orrery/Tasks"
  metric_name         = aws_cloudwatch_log_metric_filter.errors.metric_transformation[0].name
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

# A task that never starts logs no error: its silence is what there is to see.
resource "aws_cloudwatch_log_metric_filter" "heartbeat" {
  name           = "${var.name}-heartbeat"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = var.heartbeat_pattern

  metric_transformation {
    namespace = "Orrery/Tasks"
    name      = "${var.name}-heartbeat"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  alarm_name          = "${var.name}-silence"
  alarm_description   = "The task ${var.name} has not come to its end for a day."
  namespace           = "Orrery/Tasks"
  metric_name         = aws_cloudwatch_log_metric_filter.heartbeat.metric_transformation[0].name
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
