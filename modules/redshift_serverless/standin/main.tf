# What the module redshift_serverless does on AWS, carried by the local PostgreSQL server, from which Redshift descends: the
# stand-in of the module postgres, by another module's variables. Those that describe namespace and workgroup are taken, so
# that a stack passes the same values to both, and have no effect.

module "postgres" {
  source = "../../postgres/standin"

  database         = var.database
  kms_key_arn      = var.kms_key_arn
  name             = var.name
  standin          = var.standin
  standin_password = var.standin_password
  username         = var.username
}
