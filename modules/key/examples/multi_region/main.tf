terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.eu_west_1]
    }
  }
}

module "primary" {
  source = "../.."

  name         = "orrery-example-identity"
  description  = "Encrypts the example's global table and replicated secrets."
  account_id   = "111122223333"
  multi_region = true
}

module "replica" {
  source    = "../.."
  providers = { aws = aws.eu_west_1 }

  name        = "orrery-example-identity"
  description = "Encrypts the example's global table and replicated secrets."
  account_id  = "111122223333"
  replica_of  = { key_arn = module.primary.arn }
}
