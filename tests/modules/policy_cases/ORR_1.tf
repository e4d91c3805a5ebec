resource "aws_kms_key" "key" {}

resource "aws_s3_bucket" "pass_own_key" {
  bucket = "orrery-sample-own-key"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "pass_own_key" {
  bucket = aws_s3_bucket.pass_own_key.id

  rule {
    apply_server_side_encryption_by_default {
      kms_master_key_id = aws_kms_key.key.arn
      sse_algorithm     = "aws:kms"
    }
  }
}

# Its neighbour's rule is none of its own.
resource "aws_s3_bucket" "fail_nothing" {
  bucket = "orrery-sample-nothing"
}

resource "aws_s3_bucket" "fail_key_of_the_service" {
  bucket = "orrery-sample-key-of-the-service"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "key_of_the_service" {
  bucket = aws_s3_bucket.fail_key_of_the_service.bucket

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

resource "aws_dynamodb_table" "pass" {
  name         = "orrery-sample-pass"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.key.arn
  }

  dynamic "replica" {
    for_each = ["eu-west-1"]

    content {
      region_name = replica.value
      kms_key_arn = aws_kms_key.key.arn
    }
  }
}

resource "aws_dynamodb_table" "fail_replica" {
  name         = "orrery-sample-fail"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.key.arn
  }

  dynamic "replica" {
    for_each = ["eu-west-1"]

    content {
      region_name = replica.value
    }
  }
}

resource "aws_sns_topic" "fail_key_of_aws" {
  name              = "orrery-sample-topic"
  kms_master_key_id = "alias/aws/sns"
}

resource "aws_redshiftserverless_namespace" "pass" {
  namespace_name = "orrery-sample-pass"
  kms_key_id     = aws_kms_key.key.arn
}

resource "aws_redshiftserverless_namespace" "fail_no_key" {
  namespace_name = "orrery-sample-no-key"
}
