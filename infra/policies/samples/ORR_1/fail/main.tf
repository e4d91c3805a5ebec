resource "aws_sqs_queue" "events" {
  name                    = "orrery-sample-events-dlq"
  sqs_managed_sse_enabled = true
}
