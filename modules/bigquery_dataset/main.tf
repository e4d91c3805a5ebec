# BigQuery encrypts with the key as itself; the address of its agent follows from the project's number.
resource "google_kms_crypto_key_iam_member" "bigquery" {
  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:bq-${var.project_number}@bigquery-encryption.iam.gserviceaccount.com"
}

resource "google_bigquery_dataset" "this" {
  project                         = var.project_id
  dataset_id                      = var.name
  description                     = var.description
  location                        = var.location
  default_partition_expiration_ms = var.partition_expiration_days > 0 ? var.partition_expiration_days * 86400000 : null
  default_table_expiration_ms     = var.table_expiration_days > 0 ? var.table_expiration_days * 86400000 : null
  delete_contents_on_destroy      = var.force_destroy
  labels                          = var.labels
  max_time_travel_hours           = var.time_travel_days * 24

  default_encryption_configuration {
    kms_key_name = var.kms_key
  }

  # The dataset can't be made before BigQuery may use its key.
  depends_on = [google_kms_crypto_key_iam_member.bigquery]
}

resource "google_bigquery_table" "this" {
  for_each = var.tables

  project                  = var.project_id
  dataset_id               = google_bigquery_dataset.this.dataset_id
  table_id                 = each.key
  description              = each.value.description
  clustering               = each.value.clustering
  deletion_protection      = var.deletion_protection
  labels                   = var.labels
  require_partition_filter = each.value.partition == null ? null : each.value.partition.filter_required
  schema                   = each.value.schema

  encryption_configuration {
    kms_key_name = var.kms_key
  }

  dynamic "time_partitioning" {
    for_each = each.value.partition[*]

    content {
      type          = time_partitioning.value.by
      field         = time_partitioning.value.field
      expiration_ms = time_partitioning.value.expiration_days > 0 ? time_partitioning.value.expiration_days * 86400000 : null
    }
  }
}

resource "google_bigquery_table" "view" {
  #checkov:skip=CKV_GCP_80:A view holds no data; the tables that it reads are encrypted with the customer's key.
  #checkov:skip=CKV_GCP_121:A view holds no data; the tables that it reads are protected.
  for_each = var.views

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.this.dataset_id
  table_id            = each.key
  description         = each.value.description
  deletion_protection = false
  labels              = var.labels

  view {
    query          = each.value.query
    use_legacy_sql = false
  }

  # A view is refused while a table that it reads isn't there.
  depends_on = [google_bigquery_table.this]
}
