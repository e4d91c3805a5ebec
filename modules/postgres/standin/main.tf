# What the module postgres does on AWS, carried by the local PostgreSQL server: the server, its database and its role exist
# already when this is applied. Only what consumers find through AWS is made here: the secret and the security group.
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

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:Stands for the database's group; the local server is outside the VPC.
  name        = "${var.name}-postgres"
  description = "PostgreSQL of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-postgres" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = aws_security_group.this.id
  description                  = "PostgreSQL, from a client"
  referenced_security_group_id = var.allowed_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = var.allowed_security_group_ids[count.index]
  description                  = "PostgreSQL ${var.name}"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
