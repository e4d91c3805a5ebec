output "admin_grants" {
  description = "Rights of the job that makes the topics, by grant."
  value       = local.admin_grants
}

output "admin_policy" {
  description = "Policy document, as JSON, of the job that makes the topics."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [for name in ["connect", "make_topics"] : {
      Effect   = "Allow"
      Action   = local.admin_grants[name].actions
      Resource = local.admin_grants[name].resources
    } if contains(keys(local.admin_grants), name)]
  })
}

output "grants" {
  description = "Rights of each client, by grant."
  value       = local.grants
}

output "policies" {
  description = "Rights of each client as a policy document in JSON."
  value = {
    for name, grants in local.grants : name => jsonencode({
      Version = "2012-10-17"
      Statement = [for grant in values(grants) : {
        Effect   = "Allow"
        Action   = grant.actions
        Resource = grant.resources
      }]
    })
  }
}

output "topics" {
  description = "Names to partitions, replication and settings, as JSON."
  value       = jsonencode(local.topics)
}
