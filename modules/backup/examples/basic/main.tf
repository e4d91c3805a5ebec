terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.eu_west_1]
    }
  }
}

module "backup" {
  source = "../.."

  name             = "orrery-example"
  account_id       = "111122223333"
  alarm_topic_arns = ["arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"]
  bucket_arns      = ["arn:aws:s3:::orrery-example-profiles"]
  kms_key_arn      = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  table_arns       = ["arn:aws:dynamodb:us-east-1:111122223333:table/orrery-example-users"]

  copy = {
    kms_key_arn    = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    retention_days = 90
  }

  lock = { min_retention_days = 7 }

  providers = {
    aws.copy   = aws.eu_west_1
    aws.source = aws
  }
}
