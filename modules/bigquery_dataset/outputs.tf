output "dataset_id" {
  description = "ID of the dataset."
  value       = google_bigquery_dataset.this.dataset_id
}

output "tables" {
  description = "Tables by name, each as `<project>.<dataset>.<table>`."
  value       = { for name, table in google_bigquery_table.this : name => "${var.project_id}.${table.dataset_id}.${table.table_id}" }
}

output "views" {
  description = "Views by name, each as `<project>.<dataset>.<view>`."
  value       = { for name, view in google_bigquery_table.view : name => "${var.project_id}.${view.dataset_id}.${view.table_id}" }
}
