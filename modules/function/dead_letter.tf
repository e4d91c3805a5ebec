resource "aws_sqs_queue" "dead_letter" {
  count = var.dead_letter ? 1 : 0

  name                              = "${var.name}-dlq"
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 1209600

  # Inside the queue, not a resource of its own: each costs half a minute of waiting for the other.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyPlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = "*" # A queue's policy speaks of no other queue.
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
