locals {
  statements = {
    fail_all_actions   = { Effect = "Allow", Action = "*", Resource = "*" }
    fail_a_service     = { Effect = "Allow", Action = ["s3:GetObject", "dynamodb:*"], Resource = ["*"] }
    fail_all_of_a_kind = { Effect = "Allow", Action = "dynamodb:*", Resource = "arn:aws:dynamodb:us-east-1:123456789012:table/*" }
    fail_not_action    = { Effect = "Allow", NotAction = "iam:*", Resource = "*" }
    fail_not_resource  = { Effect = "Allow", Action = "s3:*", NotResource = "arn:aws:s3:::orrery-sample-keep" }
    pass_one_bucket    = { Effect = "Allow", Action = "s3:*", Resource = "arn:aws:s3:::orrery-sample-landing/*" }
    pass_one_action    = { Effect = "Allow", Action = "xray:PutTraceSegments", Resource = "*" }
    pass_denied        = { Effect = "Deny", Action = "*", Resource = "*" }
  }
}

resource "aws_iam_policy" "each" {
  for_each = local.statements

  name   = "orrery-sample-${replace(each.key, "_", "-")}"
  policy = jsonencode({ Version = "2012-10-17", Statement = [each.value] })
}

resource "aws_iam_role" "role" {
  name = "orrery-sample-role"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

# Known only after the apply, because it names the role.
data "aws_iam_policy_document" "fail" {
  statement {
    actions   = ["sqs:*"]
    resources = ["*"]
  }

  statement {
    actions   = ["sts:AssumeRole"]
    resources = [aws_iam_role.role.arn]
  }
}

data "aws_iam_policy_document" "pass" {
  statement {
    actions   = ["sqs:*"]
    resources = [aws_iam_role.role.arn]
  }
}
