resource "aws_db_parameter_group" "database" {
  name   = "orrery-sample-pass-postgres17"
  family = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}
