module "users" {
  source = "../.."

  name        = "orrery-example-users"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  hash_key    = "user_id"
  attributes  = { user_id = "S" }

  replicas = {
    eu-west-1 = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  }
}
