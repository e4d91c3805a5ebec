output "admin_grants" {
  description = "Rights of the job that makes the topics, in the shape that function, scheduled_task and spark_job take as `grants`."
  value       = module.access.admin_grants
}

output "admin_policy" {
  description = "Policy document, as JSON, of the job that makes the topics: those topics alone."
  value       = module.access.admin_policy
}

output "authentication" {
  description = "How clients log in: `iam`, or `none` locally. What `KAFKA_AUTHENTICATION` takes."
  value       = "none"
}

output "bootstrap_servers" {
  description = "Host names and ports to connect to, with commas between. What `KAFKA_BOOTSTRAP_SERVERS` takes."
  value       = var.standin.bootstrap_servers
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = local.cluster_arn
}

output "grants" {
  description = "Rights of each client, in the shape that function and scheduled_task take as `grants`."
  value       = module.access.grants
}

output "policies" {
  description = "Rights of each client as a policy document in JSON."
  value       = module.access.policies
}

output "security_group_id" {
  description = "Security group of the brokers; null, because the local broker is in no VPC."
  value       = null
}

output "topics" {
  description = "What `jobs/kafka_topics.py` makes, as JSON: names to partitions, replication and settings."
  value       = module.access.topics
}
