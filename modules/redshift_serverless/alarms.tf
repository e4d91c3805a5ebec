locals {
  # compact() instead of a count: the topic may be made in the same plan, when its ARN is not known yet.
  alarm_actions = compact([var.alarm_topic_arn])
}

resource "aws_cloudwatch_metric_alarm" "usage" {
  for_each = var.usage_limits

  alarm_name          = "${var.name}-usage-${each.key}"
  alarm_description   = "${var.name} has used 80 % of its ${each.value.period} ${each.value.rpu_hours} RPU-hours; at 100 %: ${each.value.action}."
  namespace           = "AWS/Redshift-Serverless"
  metric_name         = "UsageLimitConsumed"
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.rpu_hours * 0.8
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  dimensions = {
    UsageLimitId = aws_redshiftserverless_usage_limit.this[each.key].id
    UsageType    = "SERVERLESS_COMPUTE"
    Workgroup    = aws_redshiftserverless_workgroup.this.workgroup_name
  }
}

# At its ceiling for an hour: queries wait, and more capacity is a decision about money.
resource "aws_cloudwatch_metric_alarm" "capacity" {
  alarm_name          = "${var.name}-capacity"
  alarm_description   = "${var.name} has worked at its maximum of ${var.max_capacity_rpu} RPU for an hour."
  namespace           = "AWS/Redshift-Serverless"
  metric_name         = "ComputeCapacity"
  statistic           = "Minimum"
  period              = 1800
  evaluation_periods  = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.max_capacity_rpu
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  dimensions = { Workgroup = aws_redshiftserverless_workgroup.this.workgroup_name }
}

resource "aws_cloudwatch_metric_alarm" "loads" {
  alarm_name          = "${var.name}-loads"
  alarm_description   = "A COPY into ${var.name} failed: see SYS_LOAD_ERROR_DETAIL."
  namespace           = "AWS/Redshift-Serverless"
  metric_name         = "QueriesFailed"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  dimensions = {
    QueryType = "LOAD"
    Workgroup = aws_redshiftserverless_workgroup.this.workgroup_name
  }
}
