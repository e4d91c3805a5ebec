# The part that AWS and the stand-in share: topics as the job takes them, and rights in the words of `kafka-cluster`.
locals {
  topics = {
    for name, topic in var.topics : name => {
      partitions  = topic.partitions
      replication = min(coalesce(topic.replication, 3), var.replication)
      settings = {
        for setting, value in {
          "cleanup.policy"         = topic.cleanup_policy
          "max.message.bytes"      = tostring(topic.max_message_bytes)
          "message.timestamp.type" = topic.timestamp_type
          # MSK Serverless sets it itself, and refuses a topic that names it.
          "min.insync.replicas" = var.serverless ? null : tostring(max(1, min(coalesce(topic.replication, 3), var.replication) - 1))
          "retention.ms"        = tostring(topic.retention_ms)
        } : setting => value if value != null
      }
    }
  }

  # An ARN of what is in a cluster has the cluster's name and number, and its own name: …:topic/name/number/topic
  within = { for kind in ["topic", "group", "transactional-id"] : kind => replace(var.cluster_arn, ":cluster/", ":${kind}/") }

  grants = {
    for name, client in var.clients : name => {
      for grant, what in {
        connect = {
          actions   = concat(["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"], length(client.writes) > 0 ? ["kafka-cluster:WriteDataIdempotently"] : [])
          resources = [var.cluster_arn]
        }
        read_topics = {
          actions   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          resources = [for topic in client.reads : "${local.within["topic"]}/${topic}"]
        }
        write_topics = {
          actions   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
          resources = [for topic in client.writes : "${local.within["topic"]}/${topic}"]
        }
        use_groups = {
          actions   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
          resources = [for group in client.groups : "${local.within["group"]}/${group}"]
        }
        use_transactions = {
          actions   = ["kafka-cluster:AlterTransactionalId", "kafka-cluster:DescribeTransactionalId"]
          resources = [for id in client.transactional_ids : "${local.within["transactional-id"]}/${id}"]
        }
      } : grant => what if length(what.resources) > 0
    }
  }

  admin_grants = {
    for grant, what in {
      connect = {
        actions   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
        resources = [var.cluster_arn]
      }
      make_topics = {
        actions = [
          "kafka-cluster:AlterTopic",
          "kafka-cluster:AlterTopicDynamicConfiguration",
          "kafka-cluster:CreateTopic",
          "kafka-cluster:DescribeTopic",
          "kafka-cluster:DescribeTopicDynamicConfiguration",
        ]
        resources = [for topic in keys(var.topics) : "${local.within["topic"]}/${topic}"]
      }
    } : grant => what if length(what.resources) > 0
  }
}
