# Of several buckets, each has rules of its own.
locals {
  buckets = { "pass" = "Enabled", "fail" = "Suspended" }
}

resource "aws_s3_bucket" "by_name" {
  for_each = local.buckets

  bucket = "orrery-sample-${each.key}"
}

resource "aws_s3_bucket_versioning" "by_name" {
  for_each = local.buckets

  bucket = "orrery-sample-${each.key}"

  versioning_configuration {
    status = each.value
  }
}
