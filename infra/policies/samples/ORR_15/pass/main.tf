resource "aws_sqs_queue" "orders" {
  name = "orrery-sample-orders"

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.orders_dlq.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "orders_dlq" {
  name                      = "orrery-sample-orders-dlq"
  message_retention_seconds = 1209600
}
