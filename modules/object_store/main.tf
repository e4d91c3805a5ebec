locals {
  # By index: `module.access_logs[*]` would wait for all of that module, also for the minute that S3's lifecycle rules take.
  access_log_bucket = var.access_log_bucket == null ? module.access_logs[0].name : var.access_log_bucket.name
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_144:Replication to another region is a decision of the stack, made with the bucket_replication module
  bucket        = var.name
  force_destroy = var.force_destroy
  tags          = length(var.tags) > 0 ? var.tags : null
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      kms_master_key_id = var.kms_key_arn
      sse_algorithm     = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = var.versioning ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  # Unfinished uploads and superseded versions cost money and are seen by nobody: every bucket gets rid of them.
  rule {
    id     = "housekeeping"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_version_days
    }
  }

  dynamic "rule" {
    for_each = var.lifecycle_rules

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = rule.value.prefix
      }

      dynamic "expiration" {
        for_each = rule.value.expire_after_days[*]

        content {
          days = expiration.value
        }
      }

      dynamic "transition" {
        for_each = rule.value.transitions

        content {
          days          = transition.value.after_days
          storage_class = transition.value.storage_class
        }
      }
    }
  }

  # Rules about superseded versions belong to a bucket that has them.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  bucket = aws_s3_bucket.this.id

  target_bucket = local.access_log_bucket
  target_prefix = "${var.name}/"
}

# The bucket's own access logs go here, unless the caller has a bucket for them already.
module "access_logs" {
  source = "./access_logs"
  count  = var.access_log_bucket == null ? 1 : 0

  account_id     = var.account_id
  force_destroy  = var.force_destroy
  name           = "${var.name}-logs"
  retention_days = var.access_log_retention_days
}
