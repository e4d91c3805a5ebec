output "name" {
  description = "Name of the bucket, once writers may write to it."
  value       = google_storage_bucket.this.name
  depends_on  = [google_storage_bucket_iam_member.writer]
}

output "url" {
  description = "`gs://` address of the bucket."
  value       = google_storage_bucket.this.url
}
