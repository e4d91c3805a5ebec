output "avatar_bucket" {
  description = "Name of the bucket of avatars, once its writers may write to it."
  value       = module.avatars.name
}

output "database" {
  description = "Name of the Firestore database."
  value       = google_firestore_database.users.name
}

output "ip_address" {
  description = "Point the A record of `domain` here: the certificate is issued once that is done."
  value       = google_compute_global_address.this.address
}

output "pepper_secret" {
  description = "Resource name of the secret whose first version you have to add."
  value       = "projects/${var.project_id}/secrets/${google_secret_manager_secret.pepper.secret_id}"
}

output "public_url" {
  description = "Address that clients use, and the audience of their tokens."
  value       = "https://${var.domain}"
}

output "region_urls" {
  description = "The API's own address in each region; its tokens' audience is the same."
  value       = { for region, service in google_cloud_run_v2_service.api : region => service.uri }
}

output "service_account" {
  description = "Address of the service account that the API runs as."
  value       = google_service_account.api.email
}
