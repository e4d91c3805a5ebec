module "sweep" {
  source = "../.."

  name        = "orrery-example-sweep"
  description = "Every night, take the files that no event delivered"
  expression  = "cron(0 3 * * ? *)"
  timezone    = "Europe/Berlin"
  target_arn  = "arn:aws:lambda:us-east-1:111122223333:function:orrery-example-loader"
  input       = jsonencode({ task = "sweep" })
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  dead_letter = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:orrery-example-loader-dlq" }
}
