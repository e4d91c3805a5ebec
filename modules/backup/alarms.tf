# A job that never begins fails nowhere, so the alarm is about its absence. It counts hours, not days: a backup that
# ends half an hour later than yesterday's would leave a day of 24 hours without one.
resource "aws_cloudwatch_metric_alarm" "no_backup" {
  provider = aws.source

  alarm_name          = "${var.name}-no-backup"
  alarm_description   = "No backup was completed for 26 hours."
  alarm_actions       = var.alarm_topic_arns
  comparison_operator = "LessThanThreshold"
  datapoints_to_alarm = 26
  dimensions          = { BackupVaultName = aws_backup_vault.source.name }
  evaluation_periods  = 26
  metric_name         = "NumberOfBackupJobsCompleted"
  namespace           = "AWS/Backup"
  ok_actions          = var.alarm_topic_arns
  period              = 3600
  statistic           = "Sum"
  threshold           = 1
  treat_missing_data  = "breaching"
}

resource "aws_cloudwatch_metric_alarm" "copy_failed" {
  provider = aws.source

  alarm_name          = "${var.name}-copy-failed"
  alarm_description   = "A backup was not copied to the second region."
  alarm_actions       = var.alarm_topic_arns
  comparison_operator = "GreaterThanThreshold"
  datapoints_to_alarm = 1
  dimensions          = { BackupVaultName = aws_backup_vault.source.name }
  evaluation_periods  = 1
  metric_name         = "NumberOfCopyJobsFailed"
  namespace           = "AWS/Backup"
  ok_actions          = var.alarm_topic_arns
  period              = 3600
  statistic           = "Sum"
  threshold           = 0
  treat_missing_data  = "notBreaching"
}
