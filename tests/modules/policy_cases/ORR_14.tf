resource "aws_secretsmanager_secret" "pepper" {
  name = "orrery-sample-pepper"
}

data "aws_secretsmanager_secret_version" "pepper" {
  secret_id = aws_secretsmanager_secret.pepper.id
}

output "fail_value" {
  value = data.aws_secretsmanager_secret_version.pepper.secret_string
}

output "fail_password" {
  value = "a constant"
}

output "pass_sensitive" {
  value     = data.aws_secretsmanager_secret_version.pepper.secret_string
  sensitive = true
}

output "pass_secret" {
  value = aws_secretsmanager_secret.pepper.arn
}
