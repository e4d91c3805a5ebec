locals {
  dataset = replace(var.name, "-", "_")
}

module "avatars" {
  source = "../gcs_replica"

  project_id     = var.project_id
  project_number = var.project_number
  name           = "${var.name}-avatars"
  kms_key        = var.bucket_kms_key
  labels         = var.labels

  multi_region      = var.multi_region
  regions           = var.regions
  turbo_replication = true

  access_log_bucket       = var.access_log_bucket
  force_destroy           = var.force_destroy
  noncurrent_version_days = var.noncurrent_version_days
  retention_days          = var.retention_days
  soft_delete_days        = var.soft_delete_days

  readers = var.readers
  writers = var.writers
}

module "users" {
  source = "../bigquery_dataset"

  project_id     = var.project_id
  project_number = var.project_number
  name           = local.dataset
  description    = "The identity platform's users, as copied from DynamoDB"
  kms_key        = var.dataset_kms_key
  labels         = var.labels
  location       = var.multi_region

  deletion_protection = var.deletion_protection
  force_destroy       = var.force_destroy

  tables = {
    # One row per change, never updated: a late or repeated change does no harm, the view `users` shows the newest of each.
    user_changes = {
      description = "Every change of a user, in the order of the region that took it"
      clustering  = ["user_id"]
      partition   = { field = "changed_at" }
      writers     = var.writers

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
  }

  views = {
    users = {
      description = "The newest state of each user who was not removed"
      query       = <<-SQL
        SELECT * EXCEPT (operation)
        FROM `${var.project_id}.${local.dataset}.user_changes`
        WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY version DESC, changed_at DESC) = 1
          AND operation != 'REMOVE'
      SQL
    }
  }

  readers = var.readers
}
