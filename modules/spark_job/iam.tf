data "aws_iam_policy_document" "assume_job" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["emr-serverless.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:emr-serverless:${local.region}:${local.account}:/applications/*"]
    }
  }
}

# What a job may do: read its code, write its log, use the key, and what was granted by name.
resource "aws_iam_role" "job" {
  for_each = var.jobs

  name               = "${var.name}-${each.key}"
  description        = "What the Spark job ${each.key} of ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume_job.json
}

data "aws_iam_policy_document" "job" {
  for_each = var.jobs

  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::${var.bucket.name}/spark/${var.name}/*"]
  }

  dynamic "statement" {
    for_each = length(var.jars) > 0 ? [1] : []

    content {
      sid       = "ReadJars"
      actions   = ["s3:GetObject"]
      resources = [for jar in var.jars : "arn:aws:s3:::${trimprefix(jar, "s3://")}"]
    }
  }

  statement {
    sid       = "FindLog"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:aws:logs:${local.region}:${local.account}:log-group:*"]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [aws_cloudwatch_log_group.this[each.key].arn, "${aws_cloudwatch_log_group.this[each.key].arn}:log-stream:*"]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = distinct(compact([var.kms_key_arn, var.bucket.kms_key_arn]))
  }

  dynamic "statement" {
    for_each = each.value.grants

    content {
      sid       = "Grant${replace(title(replace(statement.key, "/[-_]/", " ")), " ", "")}"
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role_policy" "job" {
  for_each = var.jobs

  name   = "grants"
  role   = aws_iam_role.job[each.key].id
  policy = data.aws_iam_policy_document.job[each.key].json
}

data "aws_iam_policy_document" "assume_schedule" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "schedule" {
  count = length(local.scheduled) > 0 ? 1 : 0

  name               = "${var.name}-schedule"
  description        = "Lets the schedules of ${var.name} start their jobs"
  assume_role_policy = data.aws_iam_policy_document.assume_schedule.json
}

data "aws_iam_policy_document" "schedule" {
  count = length(local.scheduled) > 0 ? 1 : 0

  statement {
    sid       = "StartJob"
    actions   = ["emr-serverless:StartJobRun"]
    resources = [aws_emrserverless_application.this.arn]
  }

  statement {
    sid       = "HandOverRoles"
    actions   = ["iam:PassRole"]
    resources = [for name in keys(local.scheduled) : aws_iam_role.job[name].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["emr-serverless.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadSchedule"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }

  statement {
    sid       = "KeepFailedRuns"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letter.queue_arn]
  }

  statement {
    sid       = "EncryptFailedRuns"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [coalesce(var.dead_letter.kms_key_arn, var.kms_key_arn)]
  }
}

resource "aws_iam_role_policy" "schedule" {
  count = length(local.scheduled) > 0 ? 1 : 0

  name   = "start-jobs"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule[0].json
}
