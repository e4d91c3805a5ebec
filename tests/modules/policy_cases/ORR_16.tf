resource "aws_redshiftserverless_workgroup" "pass" {
  namespace_name = "orrery-sample-warehouse"
  workgroup_name = "orrery-sample-tls"

  dynamic "config_parameter" {
    for_each = { datestyle = "ISO, MDY", require_ssl = "true" }

    content {
      parameter_key   = config_parameter.key
      parameter_value = config_parameter.value
    }
  }
}

resource "aws_redshiftserverless_workgroup" "fail" {
  namespace_name = "orrery-sample-warehouse"
  workgroup_name = "orrery-sample-plain"

  config_parameter {
    parameter_key   = "require_ssl"
    parameter_value = "false"
  }
}

resource "aws_redshiftserverless_workgroup" "fail_by_default" {
  namespace_name = "orrery-sample-warehouse"
  workgroup_name = "orrery-sample-default"
}

resource "aws_db_parameter_group" "fail_another_parameter" {
  name   = "orrery-sample-postgres17"
  family = "postgres17"

  parameter {
    name  = "log_statement"
    value = "ddl"
  }
}

resource "aws_db_parameter_group" "pass_mysql" {
  name   = "orrery-sample-mysql84"
  family = "mysql8.4"

  parameter {
    name  = "require_secure_transport"
    value = "ON"
  }
}

resource "aws_db_parameter_group" "fail_mysql" {
  name   = "orrery-sample-mysql8"
  family = "mysql8.0"

  parameter {
    name  = "require_secure_transport"
    value = "0"
  }
}

resource "aws_db_parameter_group" "another_engine" {
  name   = "orrery-sample-sqlserver16"
  family = "sqlserver-se-16.0"
}
