locals {
  account = split(":", var.kms_key_arn)[4]
  region  = split(":", var.kms_key_arn)[3]
}

data "aws_partition" "current" {}

# Redshift says for which database user it takes the role: only users of this account's workgroups in this region may.
data "aws_iam_policy_document" "copy_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["redshift-serverless.amazonaws.com", "redshift.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "sts:ExternalId"
      values   = ["arn:${data.aws_partition.current.partition}:redshift:${local.region}:${local.account}:dbuser:serverless-${local.account}-*/*"]
    }
  }
}

resource "aws_iam_role" "copy" {
  name               = "${var.name}-copy"
  description        = "What ${var.name} may COPY from"
  assume_role_policy = data.aws_iam_policy_document.copy_assume.json
}

data "aws_iam_policy_document" "copy" {
  count = length(var.copy_sources) > 0 ? 1 : 0

  statement {
    sid       = "ReadObjects"
    actions   = ["s3:GetObject"]
    resources = [for source in values(var.copy_sources) : "${source.bucket_arn}/${source.prefix}*"]
  }

  dynamic "statement" {
    for_each = var.copy_sources

    content {
      sid       = "List${replace(title(replace(statement.key, "/[-_]/", " ")), " ", "")}"
      actions   = ["s3:ListBucket"]
      resources = [statement.value.bucket_arn]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${statement.value.prefix}*"]
      }
    }
  }

  statement {
    sid       = "LocateBuckets"
    actions   = ["s3:GetBucketLocation"]
    resources = distinct([for source in values(var.copy_sources) : source.bucket_arn])
  }

  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = distinct([for source in values(var.copy_sources) : coalesce(source.kms_key_arn, var.kms_key_arn)])
  }
}

resource "aws_iam_role_policy" "copy" {
  count = length(var.copy_sources) > 0 ? 1 : 0

  name   = "copy"
  role   = aws_iam_role.copy.id
  policy = data.aws_iam_policy_document.copy[0].json
}
