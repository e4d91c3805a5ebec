resource "aws_kms_key" "data" {
  enable_key_rotation = true
}

resource "aws_sqs_queue" "events" {
  name              = "orrery-sample-events-dlq"
  kms_master_key_id = aws_kms_key.data.arn
}
