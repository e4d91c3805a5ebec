data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Known before the queue exists, so that each queue is made whole, in one step, with its policies.
  account_id = coalesce(var.account_id, split(":", var.kms_key_arn)[4])
  arn        = "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${local.account_id}:${var.name}"

  deny_plain_http = {
    Sid       = "DenyPlainHttp"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Resource  = "*" # A queue's policy speaks of no other queue.
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sqs_queue" "dead_letter" {
  name                              = "${var.name}-dlq"
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 1209600

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.deny_plain_http]
  })

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arn]
  })
}

resource "aws_sqs_queue" "this" {
  name                              = var.name
  delay_seconds                     = var.delay_s
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = var.retention_s
  receive_wait_time_seconds         = 20
  visibility_timeout_seconds        = var.visibility_timeout_s

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([local.deny_plain_http], [
      for index, publisher in var.allowed_publishers : {
        Sid       = "Publisher${index}"
        Effect    = "Allow"
        Principal = { Service = "${publisher.service}.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "*"
        Condition = { ArnEquals = { "aws:SourceArn" = publisher.source_arn } }
      }
    ])
  })

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}
