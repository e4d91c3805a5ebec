data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [split(":", var.target_arn)[4]]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-schedule"
  description        = "Lets the schedule ${var.name} call its one target"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "CallTarget"
    actions   = [local.invoke_actions[local.target_service]]
    resources = [var.target_arn]
  }

  statement {
    sid       = "ReadSchedule"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }

  dynamic "statement" {
    for_each = var.dead_letter == null ? [] : [var.dead_letter]

    content {
      sid       = "KeepFailedRuns"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.queue_arn]
    }
  }

  dynamic "statement" {
    for_each = var.dead_letter == null ? [] : [var.dead_letter]

    content {
      sid       = "EncryptFailedRuns"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [coalesce(statement.value.kms_key_arn, var.kms_key_arn)]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "call-target"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
