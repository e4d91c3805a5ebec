locals {
  variables = {
    fail_by_name          = { API_TOKEN = "abc" }
    fail_by_value         = { BROKER = "amqp://user:secret@broker.example.com" }
    fail_access_key       = { KEY_OF_SOMETHING = "AKIAIOSFODNN7EXAMPLE" }
    pass_name_of_a_secret = { PEPPER_SECRET = aws_secretsmanager_secret.pepper.name }
    pass_arn_of_a_secret  = { PEPPER_SECRET_ARN = aws_secretsmanager_secret.pepper.arn }
    pass_plain            = { TABLE = "orrery-sample-users", TOKEN_TTL = "60" }
  }
}

resource "aws_iam_access_key" "key" {
  user = "orrery-sample-user"
}

resource "aws_secretsmanager_secret" "pepper" {
  name = "orrery-sample-pepper"
}

resource "aws_lambda_function" "each" {
  for_each = local.variables

  function_name = "orrery-sample-${replace(each.key, "_", "-")}"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"

  environment {
    variables = each.value
  }
}

resource "aws_lambda_function" "fail_reference_to_a_value" {
  function_name = "orrery-sample-reference"
  role          = "arn:aws:iam::123456789012:role/orrery-sample"
  filename      = "loader.zip"
  handler       = "handler.handler"
  runtime       = "python3.12"

  environment {
    variables = {
      DB_PASSWORD = aws_iam_access_key.key.secret
    }
  }
}
