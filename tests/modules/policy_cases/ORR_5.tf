resource "aws_cloudwatch_log_group" "named" {
  name              = "/orrery-sample/named"
  retention_in_days = 30
}

resource "aws_lambda_function" "pass_named" {
  function_name = "orrery-sample-named"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.named.name
  }
}

resource "aws_lambda_function" "fail_none" {
  function_name = "orrery-sample-none"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"
}
