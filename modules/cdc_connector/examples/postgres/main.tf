module "capture" {
  source = "../.."

  name        = "orrery-example-books"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  enabled     = false # until the database has the user that the secret names

  engine     = "postgres"
  host       = "orrery-example-books.abcdefghijkl.us-east-1.rds.amazonaws.com"
  port       = 5432
  database   = "books"
  secret_arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:orrery-example-capture-a1B2c3"
  config     = { "snapshot.mode" = "when_needed" }

  bootstrap_servers = "boot-abc123.c2.kafka-serverless.us-east-1.amazonaws.com:9098"
  cluster_arn       = "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-example-small/1234abcd-12ab-34cd-56ef-1234567890ab-s1"

  plugin = {
    bucket_arn     = "arn:aws:s3:::orrery-example-plugins-111122223333"
    key            = "debezium-postgres-3.6.3.zip"
    object_version = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
    sha256         = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  subnet_ids         = ["subnet-0a1b2c3d4e5f60718"]
  security_group_ids = ["sg-0a1b2c3d4e5f60718"]
}
