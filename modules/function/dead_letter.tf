# Events that fail for good, each with the reason: the record of an on_failure destination ({"requestContext", "requestPayload",
# "responsePayload"}), which says more than the bare event that a function's own dead_letter_config would keep.
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

data "aws_iam_policy_document" "dead_letter" {
  count = var.dead_letter ? 1 : 0

  statement {
    sid       = "KeepFailedEvents"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letter[0].arn]
  }
}

# Apart from the grants, so that the function is made while the queue still is.
resource "aws_iam_role_policy" "dead_letter" {
  count = var.dead_letter ? 1 : 0

  name   = "dead-letter"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.dead_letter[0].json
}
