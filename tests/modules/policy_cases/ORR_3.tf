resource "aws_sqs_queue" "failed" {
  name = "orrery-sample-failed"
}

resource "aws_lambda_function" "pass" {
  function_name = "orrery-sample-with"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"
}

resource "aws_lambda_function_event_invoke_config" "with" {
  function_name = aws_lambda_function.pass.function_name

  dynamic "destination_config" {
    for_each = [1]

    content {
      on_failure {
        destination = aws_sqs_queue.failed.arn
      }
    }
  }
}

resource "aws_lambda_function" "fail" {
  function_name = "orrery-sample-without"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"
}

resource "aws_lambda_function_event_invoke_config" "without" {
  function_name          = aws_lambda_function.fail.function_name
  maximum_retry_attempts = 0
}
