data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["fis.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:fis:*:${var.account_id}:experiment/*"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  description        = "Lets the Fault Injection Service pause replication in drills"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  # The service finds what it shall strike by its tags; neither of the two takes a resource.
  statement {
    sid       = "FindTargets"
    actions   = ["s3:ListAllMyBuckets", "tag:GetResources"]
    resources = ["*"]
  }

  # A table is paused by a statement in its resource policy, and in that of its stream, which ends by itself.
  dynamic "statement" {
    for_each = length(var.table_arns) > 0 ? [var.table_arns] : []

    content {
      sid = "PauseTables"
      actions = [
        "dynamodb:DeleteResourcePolicy",
        "dynamodb:DescribeTable",
        "dynamodb:GetResourcePolicy",
        "dynamodb:PutResourcePolicy",
      ]
      resources = flatten([for arn in statement.value : [arn, "${arn}/stream/*"]])
    }
  }

  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [var.bucket_arns] : []

    content {
      sid       = "PauseBuckets"
      actions   = ["s3:PauseReplication"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [var.bucket_arns] : []

    content {
      sid       = "ChangeRulesToPause"
      actions   = ["s3:GetReplicationConfiguration", "s3:PutReplicationConfiguration"]
      resources = statement.value

      condition {
        test     = "BoolIfExists"
        variable = "s3:isReplicationPauseRequest"
        values   = ["true"]
      }
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "pause-replication"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
