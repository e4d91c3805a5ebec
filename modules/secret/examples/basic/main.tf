module "secret" {
  source = "../.."

  name        = "orrery-example/loader"
  description = "Password of the example's loader."
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  generate = {
    json_key    = "password"
    json_fields = { username = "loader" }
  }

  replicas = {
    eu-west-1 = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  }
}
