module "jobs" {
  source = "../.."

  name               = "orrery-example-jobs"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
  alarm_topic_arn    = "arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"
  security_group_ids = ["sg-0123456789abcdef0"]
  subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]

  bucket         = { name = "orrery-example-code-111122223333" }
  dead_letter    = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:orrery-example-missed" }
  package_path   = "jobs.zip"
  package_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

  jars = [
    "s3://orrery-example-code-111122223333/jars/spark-sql-kafka-0-10_2.12-3.5.5.jar",
    "s3://orrery-example-code-111122223333/jars/aws-msk-iam-auth-2.3.2-all.jar",
  ]

  environment = {
    KAFKA_AUTHENTICATION    = "iam"
    KAFKA_BOOTSTRAP_SERVERS = "b-1.example.kafka.us-east-1.amazonaws.com:9098"
  }

  jobs = {
    speed = {
      description = "Counts readings as they come"
      module      = "example.speed"
      mode        = "STREAMING"
      arguments   = ["--checkpoint", "s3://orrery-example-lake-111122223333/checkpoints/speed"]
      heartbeat   = { pattern = "{ $.event = \"batch\" }", minutes = 5 }
      settings    = { "spark.executor.memory" = "4g" }
      grants = {
        checkpoint = {
          actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
          resources = ["arn:aws:s3:::orrery-example-lake-111122223333/checkpoints/*"]
        }
        list = {
          actions   = ["s3:ListBucket"] # Spark looks for files in a folder, not only for one
          resources = ["arn:aws:s3:::orrery-example-lake-111122223333"]
        }
        kafka = {
          actions = ["kafka-cluster:AlterGroup", "kafka-cluster:Connect", "kafka-cluster:DescribeGroup", "kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          resources = [
            "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-example-stream/1234abcd-12ab-34cd-56ef-1234567890ab-1",
            "arn:aws:kafka:us-east-1:111122223333:group/orrery-example-stream/1234abcd-12ab-34cd-56ef-1234567890ab-1/speed",
            "arn:aws:kafka:us-east-1:111122223333:topic/orrery-example-stream/1234abcd-12ab-34cd-56ef-1234567890ab-1/readings",
          ]
        }
      }
    }
    nightly = {
      description = "Counts a day again, exactly"
      module      = "example.nightly"
      heartbeat   = { pattern = "{ $.event = \"finished\" }", minutes = 1440 }
      schedule    = { expression = "cron(30 1 * * ? *)" }
      grants = {
        events = {
          actions   = ["s3:GetObject"]
          resources = ["arn:aws:s3:::orrery-example-lake-111122223333/events/*"]
        }
        list = {
          actions   = ["s3:ListBucket"]
          resources = ["arn:aws:s3:::orrery-example-lake-111122223333"]
        }
      }
    }
  }
}
