module "warehouse" {
  source = "../.."

  name            = "orrery-example-warehouse"
  database        = "retail"
  kms_key_arn     = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"

  vpc_id                     = "vpc-0a1b2c3d4e5f60718"
  subnet_ids                 = ["subnet-0a1b2c3d4e5f60718", "subnet-1a2b3c4d5e6f70819", "subnet-2a3b4c5d6e7f80910"]
  allowed_security_group_ids = ["sg-0a1b2c3d4e5f60718"]
  reach_security_group_ids   = ["sg-0a1b2c3d4e5f60718"]

  copy_sources = {
    landing = {
      bucket_arn = "arn:aws:s3:::orrery-example-landing-111122223333"
      prefix     = "incoming/"
    }
  }

  snapshots = { before-migration = 30 }
}
