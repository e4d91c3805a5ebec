output "arn" {
  description = "ARN of the role, for the partner, usable once its rights are in place."
  value       = aws_iam_role.this.arn
  depends_on  = [aws_iam_role_policy.this]
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}
