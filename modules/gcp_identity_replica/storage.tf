# Avatars, in two named regions: with turbo replication a new object is in both within 15 minutes.
resource "google_storage_bucket" "avatars" {
  project  = var.project_id
  name     = "${var.name}-avatars"
  location = var.multi_region

  custom_placement_config {
    data_locations = [for region in var.regions : upper(region)]
  }

  force_destroy               = var.force_destroy
  labels                      = var.labels
  public_access_prevention    = "enforced"
  rpo                         = "ASYNC_TURBO"
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true

  encryption {
    default_kms_key_name = var.bucket_kms_key
  }

  # What is deleted on the AWS side can be had back for so long.
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  versioning {
    enabled = true
  }

  # Old versions are kept for the retention, then go.
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.noncurrent_version_days
      with_state                 = "ARCHIVED"
    }
  }

  dynamic "retention_policy" {
    for_each = var.retention_days > 0 ? [1] : []

    content {
      is_locked        = false
      retention_period = var.retention_days * 86400
    }
  }

  logging {
    log_bucket        = var.access_log_bucket
    log_object_prefix = "${var.name}-avatars"
  }

  # The bucket can't be made before Cloud Storage may use its key.
  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = var.readers

  bucket = google_storage_bucket.avatars.name
  role   = "roles/storage.objectViewer"
  member = each.key
}

# Object user, not admin: the replication writes and replaces objects, and sets no policies.
resource "google_storage_bucket_iam_member" "writer" {
  for_each = var.writers

  bucket = google_storage_bucket.avatars.name
  role   = "roles/storage.objectUser"
  member = each.key
}
