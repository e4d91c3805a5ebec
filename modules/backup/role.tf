# The role reads what it backs up and writes backups. It may neither restore nor delete one: a restore is an operator's
# act, with an operator's role.

data "aws_partition" "current" {
  provider = aws.source
}

data "aws_region" "source" {
  provider = aws.source
}

data "aws_region" "copy" {
  provider = aws.copy
}

locals {
  source_keys = distinct(concat([var.kms_key_arn], var.source_kms_key_arns))

  # What S3 backups do between the daily ones runs by EventBridge rules that AWS Backup makes itself, under this name.
  managed_rules = "arn:${data.aws_partition.current.partition}:events:${data.aws_region.source.name}:${var.account_id}:rule/AwsBackupManagedRule*"
}

data "aws_iam_policy_document" "trust" {
  provider = aws.source

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }

    # Where AWS Backup says for which account it calls, it has to be this one.
    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "backup" {
  provider = aws.source

  statement {
    sid       = "WriteBackups"
    actions   = ["backup:CopyFromBackupVault", "backup:CopyIntoBackupVault", "backup:DescribeBackupVault"]
    resources = [aws_backup_vault.source.arn, aws_backup_vault.copy.arn]
  }

  statement {
    sid       = "ReadKeys"
    actions   = ["kms:DescribeKey"]
    resources = concat(local.source_keys, [var.copy.kms_key_arn])
  }

  statement {
    sid       = "GrantKeysToAwsBackup"
    actions   = ["kms:CreateGrant"]
    resources = [var.kms_key_arn, var.copy.kms_key_arn]

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }

  statement {
    sid       = "EncryptBackups"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn, var.copy.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["backup.${data.aws_region.source.name}.amazonaws.com", "backup.${data.aws_region.copy.name}.amazonaws.com"]
    }
  }

  statement {
    sid       = "DecryptWhatIsBackedUp"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = local.source_keys

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["dynamodb.${data.aws_region.source.name}.amazonaws.com", "s3.${data.aws_region.source.name}.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = length(var.table_arns) > 0 ? [var.table_arns] : []

    content {
      sid       = "BackUpTables"
      actions   = ["dynamodb:CreateBackup", "dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:StartAwsBackupJob"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.table_arns) > 0 ? [var.table_arns] : []

    content {
      sid       = "LookAtBackupsOfTables"
      actions   = ["dynamodb:DescribeBackup"]
      resources = [for arn in statement.value : "${arn}/backup/*"]
    }
  }

  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [var.bucket_arns] : []

    content {
      sid = "BackUpBuckets"
      actions = [
        "s3:GetBucketAcl",
        "s3:GetBucketLocation",
        "s3:GetBucketNotification",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetInventoryConfiguration",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:PutBucketNotification",
        "s3:PutInventoryConfiguration",
      ]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [var.bucket_arns] : []

    content {
      sid = "ReadObjects"
      actions = [
        "s3:GetObject",
        "s3:GetObjectAcl",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionAcl",
        "s3:GetObjectVersionTagging",
      ]
      resources = [for arn in statement.value : "${arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [var.bucket_arns] : []

    content {
      sid = "FollowBuckets"
      actions = [
        "events:DeleteRule",
        "events:DescribeRule",
        "events:DisableRule",
        "events:EnableRule",
        "events:ListTargetsByRule",
        "events:PutRule",
        "events:PutTargets",
        "events:RemoveTargets",
      ]
      resources = [local.managed_rules]
    }
  }

  # Neither can be limited to a resource.
  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [true] : []

    content {
      sid       = "MeasureBuckets"
      actions   = ["cloudwatch:GetMetricData", "events:ListRules"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "this" {
  provider = aws.source

  name               = "${var.name}-backup"
  description        = "Lets AWS Backup save what ${var.name} names, and copy it to the second region."
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  provider = aws.source

  name   = "backup"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.backup.json
}
