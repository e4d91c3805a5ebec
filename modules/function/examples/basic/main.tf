module "loader" {
  source = "../.."

  name        = "orrery-example-loader"
  description = "Loads the files that arrive in the landing bucket"
  handler     = "handler.handler"
  memory_mb   = 512
  timeout_s   = 120
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  package_path   = "${path.module}/loader.zip"
  package_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

  environment = { LANDING_BUCKET = "orrery-example-landing" }

  grants = {
    list_landing = {
      actions   = ["s3:ListBucket"]
      resources = ["arn:aws:s3:::orrery-example-landing"]
    }
    read_landing = {
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::orrery-example-landing/incoming/*"]
    }
  }

  invoke_permissions = {
    landing = {
      service        = "s3"
      source_arn     = "arn:aws:s3:::orrery-example-landing"
      source_account = "111122223333"
    }
  }

  alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-example-alarms"
}
