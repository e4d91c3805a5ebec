locals {
  major_version = join(".", slice(split(".", var.engine_version), 0, 2))
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Private subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-mysql${replace(local.major_version, ".", "-")}"
  description = "TLS only, whole rows in the binary log, for ${var.name}"
  family      = "mysql${local.major_version}"

  # What change data capture reads: whole rows, before and after.
  parameter {
    name  = "binlog_format"
    value = "ROW"
  }

  parameter {
    name  = "binlog_row_image"
    value = "full"
  }

  parameter {
    name  = "binlog_row_metadata"
    value = "full"
  }

  # A number for each transaction that every copy of the database knows; without it, its place in the log names it.
  parameter {
    name         = "enforce_gtid_consistency"
    value        = var.gtid ? "ON" : "OFF"
    apply_method = "pending-reboot"
  }

  parameter {
    name         = "gtid-mode"
    value        = var.gtid ? "ON" : "OFF"
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "log_output"
    value = "FILE"
  }

  parameter {
    name  = "long_query_time"
    value = tostring(var.log_statements_over_ms / 1000)
  }

  parameter {
    name  = "require_secure_transport"
    value = "1"
  }

  parameter {
    name  = "slow_query_log"
    value = "1"
  }

  # A new major version gets its own group before the old one goes.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "mysql"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = var.database
  port           = 3306

  # RDS makes the password, keeps it in Secrets Manager and rotates it: Terraform never sees it.
  username                            = var.username
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = var.kms_key_arn
  iam_database_authentication_enabled = true

  allocated_storage     = var.allocated_storage_gb
  max_allocated_storage = var.max_allocated_storage_gb
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false
  vpc_security_group_ids = [aws_security_group.this.id]
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  # Without backups there is no binary log.
  backup_retention_period   = var.backup_retention_days
  backup_window             = "01:00-02:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.deletion_protection
  final_snapshot_identifier = "${var.name}-final"
  skip_final_snapshot       = !var.deletion_protection

  apply_immediately           = false
  allow_major_version_upgrade = false
  auto_minor_version_upgrade  = true
  maintenance_window          = "sun:02:30-sun:03:30"

  enabled_cloudwatch_logs_exports       = ["error", "slowquery"]
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.kms_key_arn
  performance_insights_retention_period = 7

  # RDS would make the log groups itself, without encryption and for ever, and tries the monitoring role at once.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.monitoring]
}
