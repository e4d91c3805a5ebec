output "arns" {
  description = "ARNs of the alarms by their name in `alarms`."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.arn }
}

output "names" {
  description = "Full names of the alarms by their name in `alarms`."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.alarm_name }
}
