variable "password" {
  type      = string
  default   = "hunter2hunter2"
  sensitive = true
}

resource "aws_db_instance" "fail" {
  identifier        = "orrery-sample-fail"
  instance_class    = "db.t4g.micro"
  engine            = "postgres"
  allocated_storage = 20
  username          = "admin"
  password          = var.password
}

resource "aws_db_instance" "pass_managed_by_the_service" {
  identifier                  = "orrery-sample-pass"
  instance_class              = "db.t4g.micro"
  engine                      = "postgres"
  allocated_storage           = 20
  username                    = "admin"
  manage_master_user_password = true
}

resource "aws_ssm_parameter" "fail" {
  name  = "/orrery-sample/token"
  type  = "SecureString"
  value = "kept in the state"
}

resource "aws_ssm_parameter" "pass" {
  name             = "/orrery-sample/token-2"
  type             = "SecureString"
  value_wo         = "stands for an ephemeral value"
  value_wo_version = 1
}

resource "aws_iam_access_key" "fail" {
  user = "orrery-sample-user"
}

resource "aws_mq_broker" "fail_within_a_block" {
  broker_name        = "orrery-sample-broker"
  engine_type        = "ActiveMQ"
  engine_version     = "5.18"
  host_instance_type = "mq.t3.micro"

  user {
    username = "admin"
    password = "hunter2hunter2"
  }
}

resource "aws_redshiftserverless_namespace" "fail" {
  namespace_name      = "orrery-sample-fail"
  admin_user_password = var.password
}

resource "aws_redshiftserverless_namespace" "pass_managed_by_the_service" {
  namespace_name        = "orrery-sample-managed"
  manage_admin_password = true
}
