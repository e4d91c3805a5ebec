locals {
  # Replicas follow the table through its stream.
  stream = var.stream || length(var.replicas) > 0
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = var.hash_key
  range_key                   = var.range_key
  stream_enabled              = local.stream
  stream_view_type            = local.stream ? "NEW_AND_OLD_IMAGES" : null

  dynamic "attribute" {
    for_each = var.attributes

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = var.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      projection_type = "ALL"
      range_key       = global_secondary_index.value.range_key
    }
  }

  point_in_time_recovery {
    enabled = var.pitr
  }

  dynamic "replica" {
    for_each = var.replicas

    content {
      kms_key_arn            = replica.value
      point_in_time_recovery = var.pitr
      propagate_tags         = true
      region_name            = replica.key
    }
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  dynamic "ttl" {
    for_each = var.ttl_attribute[*]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }
}
