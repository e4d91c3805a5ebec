data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  query_log_name = "/aws/route53/${var.zone_name}"
}

resource "aws_cloudwatch_log_group" "queries" {
  # checkov:skip=ORR_10:Named after its zone, below the path where AWS keeps the query logs of Route 53
  count = var.query_log == null ? 0 : 1

  name              = local.query_log_name
  kms_key_id        = var.query_log.kms_key_arn
  retention_in_days = var.query_log.retention_days

  lifecycle {
    precondition {
      condition     = data.aws_region.current.name == "us-east-1"
      error_message = "Route 53 writes query logs to us-east-1 only: pass the module a provider of that region, or leave query_log out."
    }
  }
}

data "aws_iam_policy_document" "queries" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${var.account_id}:log-group:${local.query_log_name}:*"]

    principals {
      type        = "Service"
      identifiers = ["route53.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_cloudwatch_log_resource_policy" "queries" {
  count = var.query_log == null ? 0 : 1

  policy_document = data.aws_iam_policy_document.queries.json
  policy_name     = "route53-${replace(var.zone_name, ".", "-")}"
}

resource "aws_route53_query_log" "this" {
  count = var.query_log == null ? 0 : 1

  cloudwatch_log_group_arn = aws_cloudwatch_log_group.queries[0].arn
  zone_id                  = aws_route53_zone.this.zone_id

  depends_on = [aws_cloudwatch_log_resource_policy.queries]
}
