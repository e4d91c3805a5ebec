module "landing" {
  source = "../.."

  name        = "orrery-example-landing"
  account_id  = "111122223333"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

  lifecycle_rules = {
    quarantine = { prefix = "quarantine/", expire_after_days = 90 }
  }

  function_notifications = {
    loader = {
      function_arn = "arn:aws:lambda:us-east-1:111122223333:function:orrery-example-loader"
      prefix       = "incoming/"
      suffix       = ".csv"
    }
  }
}
