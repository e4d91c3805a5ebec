# What the module mysql does on AWS, carried by the local MariaDB server: the server, its database and its user exist
# already when this is applied. Only what consumers find through AWS is made here: the secret.
# Variables that describe the RDS instance are taken, so that a stack passes the same values to both, and have no effect.

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:The local server's password doesn't rotate; on AWS RDS rotates its own secret.
  name                    = "${var.name}-master"
  description             = "Credentials of the local database ${var.standin.database}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 0
}

# Written without being kept: neither the state nor a saved plan holds the value.
resource "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret.this.id
  secret_string_wo = jsonencode({
    username = var.standin.username
    password = var.standin_password
  })
  secret_string_wo_version = var.standin.secret_version
}
