module "capture" {
  source = "../.."

  name        = "orrery-example-shop"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  engine       = "mysql"
  host         = "orrery-example-shop.abcdefghijkl.us-east-1.rds.amazonaws.com"
  port         = 3306
  database     = "shop"
  secret_arn   = "arn:aws:secretsmanager:us-east-1:111122223333:secret:orrery-example-capture-a1B2c3"
  tables       = ["shop.customers", "shop.orders"]
  signal_table = "shop.signals"

  bootstrap_servers = "b-1.example.abc123.c2.kafka.us-east-1.amazonaws.com:9098"
  cluster_arn       = "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-example-stream/1234abcd-12ab-34cd-56ef-1234567890ab-1"

  plugin = {
    bucket_arn     = "arn:aws:s3:::orrery-example-plugins-111122223333"
    key            = "debezium-mysql-3.6.3.zip"
    object_version = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
    sha256         = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  subnet_ids         = ["subnet-0a1b2c3d4e5f60718", "subnet-1a2b3c4d5e6f70819"]
  security_group_ids = ["sg-0a1b2c3d4e5f60718"]
  alarm_topic_arns   = ["arn:aws:sns:us-east-1:111122223333:orrery-example-alarms"]
}
