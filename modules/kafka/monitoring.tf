locals {
  metrics = "AWS/Kafka"
  # A broker's number is part of its metrics' names, from 1.
  broker_ids = var.serverless ? [] : [for number in range(local.brokers) : tostring(number + 1)]
}

resource "aws_cloudwatch_log_group" "this" {
  count = var.serverless ? 0 : 1

  name              = "/aws/msk/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_metric_alarm" "offline" {
  count = var.serverless ? 0 : 1

  alarm_name          = "${var.name}-offline-partitions"
  alarm_description   = "Partitions of ${var.name} have no leader: they can be neither read nor written."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = { "Cluster Name" = var.name }
  evaluation_periods  = 1
  metric_name         = "OfflinePartitionsCount"
  namespace           = local.metrics
  period              = 60
  statistic           = "Maximum"
  threshold           = 0
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "under_replicated" {
  for_each = toset(local.broker_ids)

  alarm_name          = "${var.name}-under-replicated-${each.key}"
  alarm_description   = "Broker ${each.key} of ${var.name} leads partitions with fewer copies than they should have: one more loss may stop writes."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = { "Cluster Name" = var.name, "Broker ID" = each.key }
  evaluation_periods  = 5 # a restart for maintenance takes less
  metric_name         = "UnderReplicatedPartitions"
  namespace           = local.metrics
  period              = 60
  statistic           = "Maximum"
  threshold           = 0
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "disk" {
  for_each = toset(local.broker_ids)

  alarm_name          = "${var.name}-disk-${each.key}"
  alarm_description   = "The log disk of broker ${each.key} of ${var.name} is nearly full: it stops when it is. Give it more storage_gb, or topics less retention_ms."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = { "Cluster Name" = var.name, "Broker ID" = each.key }
  evaluation_periods  = 1
  metric_name         = "KafkaDataLogsDiskUsed"
  namespace           = local.metrics
  period              = 300
  statistic           = "Maximum"
  threshold           = var.disk_used_percent
  treat_missing_data  = "missing"
}

resource "aws_cloudwatch_metric_alarm" "lag" {
  for_each = var.lag_alarms

  alarm_name          = "${var.name}-lag-${each.key}"
  alarm_description   = "Group ${each.value.group} is more than ${each.value.messages} messages behind in ${each.value.topic}."
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = { "Cluster Name" = var.name, "Consumer Group" = each.value.group, "Topic" = each.value.topic }
  evaluation_periods  = each.value.minutes
  metric_name         = "SumOffsetLag"
  namespace           = local.metrics
  period              = 60
  statistic           = "Maximum"
  threshold           = each.value.messages
  treat_missing_data  = "notBreaching"
}
