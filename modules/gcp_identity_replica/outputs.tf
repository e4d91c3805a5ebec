output "bucket_name" {
  description = "Name of the avatar bucket."
  value       = module.avatars.name
}

output "bucket_url" {
  description = "`gs://` address of the avatar bucket."
  value       = module.avatars.url
}

output "changes_table" {
  description = "Table that changes are appended to, as `<project>.<dataset>.<table>`."
  value       = module.users.tables["user_changes"]
}

output "dataset_id" {
  description = "ID of the dataset."
  value       = module.users.dataset_id
}

output "users_view" {
  description = "View with the newest state of each user, as `<project>.<dataset>.<view>`."
  value       = module.users.views["users"]
}
