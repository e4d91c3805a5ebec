output "job_id" {
  description = "ID of the job."
  value       = databricks_job.this.id
}

output "policy_id" {
  description = "ID of the policy that the job's cluster follows."
  value       = databricks_cluster_policy.this.id
}

output "url" {
  description = "Address of the job in the workspace."
  value       = databricks_job.this.url
}
