resource "google_bigquery_dataset" "identity" {
  project                    = var.project_id
  dataset_id                 = replace(var.name, "-", "_")
  description                = "The identity platform's users, as copied from DynamoDB"
  location                   = var.multi_region
  delete_contents_on_destroy = var.force_destroy
  labels                     = var.labels
  max_time_travel_hours      = 168

  default_encryption_configuration {
    kms_key_name = var.dataset_kms_key
  }

  depends_on = [google_kms_crypto_key_iam_member.bigquery]
}

# One row per change, never updated: a late or repeated change does no harm, the view `users` shows the newest of each.
resource "google_bigquery_table" "user_changes" {
  project                  = var.project_id
  dataset_id               = google_bigquery_dataset.identity.dataset_id
  table_id                 = "user_changes"
  description              = "Every change of a user, in the order of the region that took it"
  clustering               = ["user_id"]
  deletion_protection      = var.deletion_protection
  labels                   = var.labels
  require_partition_filter = false

  encryption_configuration {
    kms_key_name = var.dataset_kms_key
  }

  time_partitioning {
    type  = "DAY"
    field = "changed_at"
  }

  schema = jsonencode([
    { name = "user_id", type = "STRING", mode = "REQUIRED", description = "Key of the user" },
    { name = "changed_at", type = "TIMESTAMP", mode = "REQUIRED", description = "When the change was written" },
    { name = "version", type = "INTEGER", mode = "REQUIRED", description = "Counts the changes of a user" },
    { name = "region", type = "STRING", mode = "REQUIRED", description = "AWS region that took the change" },
    { name = "operation", type = "STRING", mode = "REQUIRED", description = "INSERT, MODIFY or REMOVE" },
    { name = "email_hash", type = "STRING", mode = "NULLABLE", description = "SHA-256 of the address: the address itself stays in AWS" },
    { name = "display_name", type = "STRING", mode = "NULLABLE", description = "Name as shown" },
    { name = "avatar", type = "STRING", mode = "NULLABLE", description = "Object in the avatar bucket" },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "Whatever else the profile holds" },
  ])
}

resource "google_bigquery_table" "users" {
  #checkov:skip=CKV_GCP_80:A view holds no data; the table that it reads is encrypted with the customer's key.
  #checkov:skip=CKV_GCP_121:A view holds no data; the table that it reads is protected.
  project             = var.project_id
  dataset_id          = google_bigquery_dataset.identity.dataset_id
  table_id            = "users"
  description         = "The newest state of each user who was not removed"
  deletion_protection = false
  labels              = var.labels

  view {
    use_legacy_sql = false
    query          = <<-SQL
      SELECT * EXCEPT (operation)
      FROM `${var.project_id}.${google_bigquery_table.user_changes.dataset_id}.${google_bigquery_table.user_changes.table_id}`
      WHERE TRUE
      QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY version DESC, changed_at DESC) = 1
        AND operation != 'REMOVE'
    SQL
  }
}

resource "google_bigquery_dataset_iam_member" "reader" {
  for_each = var.readers

  project    = var.project_id
  dataset_id = google_bigquery_dataset.identity.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.key
}

# On the table, not the dataset: the replication appends changes and touches nothing else.
resource "google_bigquery_table_iam_member" "writer" {
  for_each = var.writers

  project    = var.project_id
  dataset_id = google_bigquery_dataset.identity.dataset_id
  table_id   = google_bigquery_table.user_changes.table_id
  role       = "roles/bigquery.dataEditor"
  member     = each.key
}
