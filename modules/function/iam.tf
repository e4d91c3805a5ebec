locals {
  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-role"
  description        = "What the function ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  #checkov:skip=CKV_AWS_111:X-Ray's write actions know no resources; every grant's resources are checked in variables.tf.
  #checkov:skip=CKV_AWS_356:X-Ray's write actions know no resources; every grant's resources are checked in variables.tf.
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:log-stream:*"]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }

  dynamic "statement" {
    for_each = var.tracing ? [1] : []

    content {
      sid       = "Trace"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.grants

    content {
      sid       = "Grant${replace(title(replace(statement.key, "/[-_]/", " ")), " ", "")}"
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "grants"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "network" {
  #checkov:skip=CKV_AWS_111:Lambda creates its network interfaces before they have a name to grant; the function's own code is denied these actions below.
  #checkov:skip=CKV_AWS_356:Lambda creates its network interfaces before they have a name to grant; the function's own code is denied these actions below.
  count = local.in_vpc ? 1 : 0

  statement {
    sid       = "AttachToVpc"
    actions   = local.network_actions
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "network" {
  # checkov:skip=CKV_AWS_290:Lambda creates its network interfaces before they have a name to grant; the function's own code is denied these actions below.
  # checkov:skip=CKV_AWS_355:Lambda creates its network interfaces before they have a name to grant; the function's own code is denied these actions below.
  count = local.in_vpc ? 1 : 0

  name   = "network"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.network[0].json
}

# The interfaces are made by the Lambda service with this role; the code that runs under the same role has no business there.
resource "aws_iam_role_policy" "code_off_network" {
  count = local.in_vpc ? 1 : 0

  name = "code-off-network"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyCodeNetworkChanges"
      Effect    = "Deny"
      Action    = local.network_actions
      Resource  = "*"
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = aws_lambda_function.this.arn } }
    }]
  })
}
