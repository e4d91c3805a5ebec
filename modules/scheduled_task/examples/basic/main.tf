module "nightly" {
  source = "../.."

  name               = "orrery-example-nightly"
  image              = "111122223333.dkr.ecr.us-east-1.amazonaws.com/orrery-example@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  heartbeat_pattern  = "{ $.event = \"finished\" }"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  alarm_topic_arn    = "arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"
  security_group_ids = ["sg-0123456789abcdef0"]
  subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]

  dead_letter = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:orrery-example-missed" }
  environment = { BUCKET = "orrery-example-landing-111122223333" }

  grants = {
    read_landing = {
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::orrery-example-landing-111122223333/incoming/*"]
    }
  }

  schedules = {
    nightly = {
      command     = ["nightly"]
      description = "Load what changed since the last night"
      expression  = "cron(45 2 * * ? *)"
      timezone    = "Europe/Berlin"
    }
  }
}
