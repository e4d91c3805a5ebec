# S3 checks that it may invoke the function at the moment the notification is set.
resource "aws_lambda_permission" "notification" {
  for_each = var.function_notifications

  action         = "lambda:InvokeFunction"
  function_name  = each.value.function_arn
  principal      = "s3.amazonaws.com"
  source_account = var.account_id
  source_arn     = aws_s3_bucket.this.arn
  statement_id   = "s3-${var.name}-${each.key}"
}

# A bucket has one notification configuration: all of it stands here, also what EventBridge rules of the stack listen to.
resource "aws_s3_bucket_notification" "this" {
  bucket      = aws_s3_bucket.this.id
  eventbridge = true

  dynamic "lambda_function" {
    for_each = var.function_notifications

    content {
      id                  = lambda_function.key
      events              = lambda_function.value.events
      filter_prefix       = lambda_function.value.prefix
      filter_suffix       = lambda_function.value.suffix
      lambda_function_arn = lambda_function.value.function_arn
    }
  }

  dynamic "queue" {
    for_each = var.queue_notifications

    content {
      id            = queue.key
      events        = queue.value.events
      filter_prefix = queue.value.prefix
      filter_suffix = queue.value.suffix
      queue_arn     = queue.value.queue_arn
    }
  }

  depends_on = [aws_lambda_permission.notification]
}
