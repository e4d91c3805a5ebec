# Firestore encrypts with the key as itself; the address of its agent follows from the project's number.
resource "google_kms_crypto_key_iam_member" "firestore" {
  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${var.project_number}@gcp-sa-firestore.iam.gserviceaccount.com"
}

# One database, written synchronously in several regions of one continent: there is no copy that lags, and no conflict.
resource "google_firestore_database" "users" {
  project                           = var.project_id
  name                              = var.name
  location_id                       = local.multi_region.firestore
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "PESSIMISTIC"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.deletion_protection ? "ABANDON" : "DELETE"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"

  cmek_config {
    kms_key_name = var.kms_key
  }

  # The database can't be made before Firestore may use its key.
  depends_on = [google_kms_crypto_key_iam_member.firestore]
}

# Beyond the seven days of point-in-time recovery.
resource "google_firestore_backup_schedule" "daily" {
  project   = var.project_id
  database  = google_firestore_database.users.name
  retention = "${var.backup_retention_days * 86400}s"

  daily_recurrence {}
}

module "avatars" {
  source = "../gcs_replica"

  project_id     = var.project_id
  project_number = var.project_number
  name           = "${var.name}-avatars-${var.project_number}"
  kms_key        = var.kms_key
  labels         = var.labels

  multi_region      = var.multi_region
  regions           = keys(var.regions)
  turbo_replication = true

  access_log_bucket = var.access_log_bucket
  force_destroy     = !var.deletion_protection
  readers           = var.avatar_readers
  writers           = var.avatar_writers
}

resource "google_kms_crypto_key_iam_member" "secret" {
  for_each = var.regions

  crypto_key_id = each.value
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
}

# The value is added outside of Terraform, so that it stands in no plan and no state.
resource "google_secret_manager_secret" "pepper" {
  project             = var.project_id
  secret_id           = "${var.name}-email-pepper-key"
  deletion_protection = var.deletion_protection
  labels              = var.labels

  replication {
    user_managed {
      dynamic "replicas" {
        for_each = var.regions

        content {
          location = replicas.key

          customer_managed_encryption {
            kms_key_name = replicas.value
          }
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.secret]
}
