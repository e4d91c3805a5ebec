output "arn" {
  description = "ARN of the topic, usable once its policy is in place."
  value       = aws_sns_topic.this.arn
  depends_on  = [aws_sns_topic_policy.this]
}

output "name" {
  description = "Name of the topic."
  value       = aws_sns_topic.this.name
}

output "subscription_arns" {
  description = "ARNs of the subscriptions, by the name given to each."
  value       = { for name, subscription in aws_sns_topic_subscription.this : name => subscription.arn }
}
