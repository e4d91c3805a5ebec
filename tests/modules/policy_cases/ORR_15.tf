resource "aws_sqs_queue" "pass_last" {
  name = "orrery-sample-last"

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["arn:aws:sqs:us-east-1:123456789012:orrery-sample-orders"]
  })
}

resource "aws_sqs_queue" "pass_later" {
  name           = "orrery-sample-later"
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.pass_last.arn, maxReceiveCount = 3 })
}

resource "aws_sqs_queue" "fail" {
  name                       = "orrery-sample-without"
  visibility_timeout_seconds = 60
}
