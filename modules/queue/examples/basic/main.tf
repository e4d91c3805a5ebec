module "orders" {
  source = "../.."

  name        = "orrery-example-orders"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  visibility_timeout_s = 180
  max_receive_count    = 3

  allowed_publishers = [
    { service = "sns", source_arn = "arn:aws:sns:us-east-1:111122223333:orrery-example-events" },
  ]
}
