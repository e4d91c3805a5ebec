resource "aws_lambda_function" "loader" {
  function_name = "orrery-sample-loader"
  role          = "arn:aws:iam::123456789012:role/orrery-sample-loader"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"
  timeout       = 60
  kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

  dead_letter_config {
    target_arn = "arn:aws:sqs:us-east-1:123456789012:orrery-sample-loader-dlq"
  }

  environment {
    variables = { DATABASE_PASSWORD = "kept in plan and state" }
  }
}

resource "aws_cloudwatch_log_group" "loader" {
  name              = "/aws/lambda/orrery-sample-loader"
  kms_key_id        = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  retention_in_days = 365
}
