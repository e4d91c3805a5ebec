output "bucket_name" {
  description = "Name of the avatar bucket."
  value       = google_storage_bucket.avatars.name
}

output "bucket_url" {
  description = "`gs://` address of the avatar bucket."
  value       = google_storage_bucket.avatars.url
}

output "changes_table" {
  description = "Table that changes are appended to, as `<project>.<dataset>.<table>`."
  value       = "${var.project_id}.${google_bigquery_table.user_changes.dataset_id}.${google_bigquery_table.user_changes.table_id}"
}

output "dataset_id" {
  description = "ID of the dataset."
  value       = google_bigquery_dataset.identity.dataset_id
}

output "users_view" {
  description = "View with the newest state of each user, as `<project>.<dataset>.<view>`."
  value       = "${var.project_id}.${google_bigquery_table.users.dataset_id}.${google_bigquery_table.users.table_id}"
}
