output "admin_policy" {
  description = "Policy document, as JSON, of the job that makes the topics."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
        Resource = [var.cluster_arn]
      }],
      length(var.topics) == 0 ? [] : [{
        Effect = "Allow"
        Action = [
          "kafka-cluster:AlterTopic",
          "kafka-cluster:AlterTopicDynamicConfiguration",
          "kafka-cluster:CreateTopic",
          "kafka-cluster:DescribeTopic",
          "kafka-cluster:DescribeTopicDynamicConfiguration",
        ]
        Resource = [for topic in keys(var.topics) : "${local.within["topic"]}/${topic}"]
      }],
    )
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
