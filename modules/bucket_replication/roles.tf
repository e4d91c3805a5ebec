# One role per direction: each reads one bucket and writes the other, and can't do the reverse.

data "aws_iam_policy_document" "trust" {
  provider = aws.a

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "direction" {
  provider = aws.a
  for_each = {
    a_to_b = { source = var.a, source_region = data.aws_region.a.name, target = var.b, target_region = data.aws_region.b.name }
    b_to_a = { source = var.b, source_region = data.aws_region.b.name, target = var.a, target_region = data.aws_region.a.name }
  }

  statement {
    sid       = "ReadConfiguration"
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [each.value.source.arn]
  }

  statement {
    sid = "ReadSource"
    actions = [
      "s3:GetObjectVersionAcl",
      "s3:GetObjectVersionForReplication",
      "s3:GetObjectVersionTagging",
    ]
    resources = ["${each.value.source.arn}/*"]
  }

  statement {
    sid       = "WriteReplicas"
    actions   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${each.value.target.arn}/*"]
  }

  statement {
    sid       = "DecryptSource"
    actions   = ["kms:Decrypt"]
    resources = [each.value.source.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${each.value.source_region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "EncryptReplicas"
    actions   = ["kms:Encrypt", "kms:GenerateDataKey"]
    resources = [each.value.target.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${each.value.target_region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "a_to_b" {
  provider = aws.a

  name               = "${var.name}-a-to-b"
  description        = "Lets S3 replicate ${var.a.name} to ${var.b.name}."
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "a_to_b" {
  provider = aws.a

  name   = "replication"
  role   = aws_iam_role.a_to_b.name
  policy = data.aws_iam_policy_document.direction["a_to_b"].json
}

resource "aws_iam_role" "b_to_a" {
  provider = aws.a

  name               = "${var.name}-b-to-a"
  description        = "Lets S3 replicate ${var.b.name} to ${var.a.name}."
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "b_to_a" {
  provider = aws.a

  name   = "replication"
  role   = aws_iam_role.b_to_a.name
  policy = data.aws_iam_policy_document.direction["b_to_a"].json
}
