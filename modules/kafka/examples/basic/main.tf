module "stream" {
  source = "../.."

  name        = "orrery-example-stream"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  vpc_id                     = "vpc-0a1b2c3d4e5f60718"
  subnet_ids                 = ["subnet-0a1b2c3d4e5f60718", "subnet-1a2b3c4d5e6f70819", "subnet-2a3b4c5d6e7f8091a"]
  allowed_security_group_ids = ["sg-0a1b2c3d4e5f60718"]
  alarm_topic_arns           = ["arn:aws:sns:us-east-1:111122223333:orrery-example-alarms"]

  topics = {
    orrery-example-telemetry = { partitions = 12, retention_ms = 86400000 }
    orrery-example-devices   = { partitions = 3, cleanup_policy = "compact", retention_ms = -1 }
  }

  clients = {
    devices = { writes = ["orrery-example-telemetry"] }
    speed = {
      reads             = ["orrery-example-telemetry"]
      writes            = ["orrery-example-devices"]
      groups            = ["orrery-example-speed"]
      transactional_ids = ["orrery-example-speed"]
    }
  }

  lag_alarms = {
    speed = { group = "orrery-example-speed", topic = "orrery-example-telemetry", messages = 100000 }
  }
}
