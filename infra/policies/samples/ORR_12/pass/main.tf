resource "aws_secretsmanager_secret_version" "pepper" {
  secret_id = "orrery-sample-pepper"

  secret_string_wo         = "stands for an ephemeral value"
  secret_string_wo_version = 1
}
