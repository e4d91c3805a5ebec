module "alarms" {
  source = "../.."

  name          = "orrery-example-snowflake-alarms"
  description   = "Snowflake tells of failed tasks"
  principal_arn = "arn:aws:iam::444455556666:user/abc1-s-example"
  external_id   = "EXAMPLE_SFCRole=1_abcdefghijklmnopqrstuvwxyz="

  grants = {
    publish = {
      actions   = ["sns:Publish"]
      resources = ["arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"]
    }
    encrypt = {
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"]
    }
  }
}
