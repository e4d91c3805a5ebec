data "aws_region" "a" {
  provider = aws.a
}

data "aws_region" "b" {
  provider = aws.b
}

resource "aws_s3_bucket_replication_configuration" "a_to_b" {
  provider = aws.a

  bucket = var.a.name
  role   = aws_iam_role.a_to_b.arn

  rule {
    id       = "to-${data.aws_region.b.name}"
    priority = 0
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    # Replicas are never replicated again, so the two directions don't chase each other; changes to a replica's
    # metadata (tags, retention) do travel back.
    source_selection_criteria {
      replica_modifications {
        status = "Enabled"
      }

      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = var.b.arn
      storage_class = "STANDARD"

      encryption_configuration {
        replica_kms_key_id = var.b.kms_key_arn
      }

      # Replication time control comes with metrics and takes no other figure than 15 minutes.
      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_iam_role_policy.a_to_b]
}

resource "aws_s3_bucket_replication_configuration" "b_to_a" {
  provider = aws.b

  bucket = var.b.name
  role   = aws_iam_role.b_to_a.arn

  rule {
    id       = "to-${data.aws_region.a.name}"
    priority = 0
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      replica_modifications {
        status = "Enabled"
      }

      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = var.a.arn
      storage_class = "STANDARD"

      encryption_configuration {
        replica_kms_key_id = var.a.kms_key_arn
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_iam_role_policy.b_to_a]
}
