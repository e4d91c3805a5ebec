resource "aws_secretsmanager_secret_version" "pepper" {
  secret_id = "orrery-sample-pepper"

  secret_string = "kept in the state"
}
