module "events" {
  source = "../.."

  name        = "orrery-example-events"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  allowed_publishers = [
    { service = "cloudwatch", source_arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:orrery-example-*" },
  ]

  subscriptions = {
    orders = {
      protocol      = "sqs"
      endpoint      = "arn:aws:sqs:us-east-1:111122223333:orrery-example-orders"
      raw           = true
      filter_policy = jsonencode({ kind = ["order"] })
    }
    on_call = { protocol = "email", endpoint = "on-call@example.com" }
  }
}
