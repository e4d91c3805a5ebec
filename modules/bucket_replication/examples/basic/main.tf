terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.eu_west_1]
    }
  }
}

module "replication" {
  source = "../.."

  name       = "orrery-example-profiles"
  account_id = "111122223333"

  a = {
    name        = "orrery-example-profiles-us"
    arn         = "arn:aws:s3:::orrery-example-profiles-us"
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  }

  b = {
    name        = "orrery-example-profiles-eu"
    arn         = "arn:aws:s3:::orrery-example-profiles-eu"
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  }

  providers = {
    aws.a = aws
    aws.b = aws.eu_west_1
  }
}
