resource "aws_kms_key" "data" {
  enable_key_rotation = true
}

resource "aws_sqs_queue" "orders" {
  name              = "orrery-sample-orders"
  kms_master_key_id = aws_kms_key.data.arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.orders_dlq.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "orders_dlq" {
  name                      = "orrery-sample-orders-dlq"
  kms_master_key_id         = aws_kms_key.data.arn
  message_retention_seconds = 1209600
}
