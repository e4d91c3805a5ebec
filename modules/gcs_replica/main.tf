# Cloud Storage encrypts with the key as itself; the address of its agent follows from the project's number.
resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
}

resource "google_storage_bucket" "this" {
  project  = var.project_id
  name     = var.name
  location = var.multi_region

  force_destroy               = var.force_destroy
  labels                      = var.labels
  public_access_prevention    = "enforced"
  rpo                         = var.turbo_replication ? "ASYNC_TURBO" : "DEFAULT"
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true

  # Without named regions Google chooses two places within the multi-region by itself.
  dynamic "custom_placement_config" {
    for_each = length(var.regions) > 0 ? [1] : []

    content {
      data_locations = [for region in var.regions : upper(region)]
    }
  }

  encryption {
    default_kms_key_name = var.kms_key
  }

  versioning {
    enabled = true
  }

  # Beyond versions: what was deleted for good, or the whole bucket, can be had back for so long.
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  dynamic "retention_policy" {
    for_each = var.retention_days > 0 ? [1] : []

    content {
      is_locked        = var.retention_locked
      retention_period = var.retention_days * 86400
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.noncurrent_version_days
      with_state                 = "ARCHIVED"
    }
  }

  # Parts of an upload that nobody finished are paid for and never read.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 7
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.transitions

    content {
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }

      condition {
        age        = lifecycle_rule.value
        with_state = "LIVE"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.expiration_days > 0 ? [1] : []

    content {
      action {
        type = "Delete"
      }

      condition {
        age        = var.expiration_days
        with_state = "LIVE"
      }
    }
  }

  logging {
    log_bucket        = var.access_log_bucket
    log_object_prefix = var.name
  }

  # The bucket can't be made before Cloud Storage may use its key.
  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = var.readers

  bucket = google_storage_bucket.this.name
  role   = "roles/storage.objectViewer"
  member = each.key
}

# Object user, not admin: a writer writes and replaces objects, and sets no policies.
resource "google_storage_bucket_iam_member" "writer" {
  for_each = var.writers

  bucket = google_storage_bucket.this.name
  role   = "roles/storage.objectUser"
  member = each.key
}
