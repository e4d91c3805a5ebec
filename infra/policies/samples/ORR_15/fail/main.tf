resource "aws_sqs_queue" "orders" {
  name = "orrery-sample-orders"
}
