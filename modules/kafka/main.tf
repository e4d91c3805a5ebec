data "aws_partition" "current" {}

locals {
  brokers     = length(var.subnet_ids) * var.brokers_per_subnet
  replication = min(3, local.brokers)
  cluster_arn = one(concat(aws_msk_cluster.this[*].arn, aws_msk_serverless_cluster.this[*].arn))
}

# What the job makes of `topics`, and who may do what with them.
module "access" {
  source = "./access"

  clients     = var.clients
  cluster_arn = local.cluster_arn
  replication = local.replication
  serverless  = var.serverless
  topics      = var.topics
}

resource "aws_msk_configuration" "this" {
  count = var.serverless ? 0 : 1

  name           = "${var.name}-${replace(var.kafka_version, ".", "-")}"
  description    = "No topic by accident, no write that only one broker has, for ${var.name}"
  kafka_versions = [var.kafka_version]
  server_properties = join("\n", [
    "auto.create.topics.enable=false",
    "default.replication.factor=${local.replication}",
    "min.insync.replicas=${max(1, local.replication - 1)}",
    "unclean.leader.election.enable=false",
    "",
  ])

  # A new version gets its own before the old one goes.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  count = var.serverless ? 0 : 1

  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = local.brokers
  enhanced_monitoring    = var.monitoring

  broker_node_group_info {
    client_subnets  = var.subnet_ids
    instance_type   = var.instance_type
    security_groups = [aws_security_group.this.id]

    connectivity_info {
      public_access {
        type = "DISABLED"
      }
    }

    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gb
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam   = true
      scram = false
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this[0].arn
    revision = aws_msk_configuration.this[0].latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this[0].name
      }
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }

      node_exporter {
        enabled_in_broker = true
      }
    }
  }
}

# MSK encrypts it with a key of its own, lets in nobody without TLS and IAM, and keeps no logs.
resource "aws_msk_serverless_cluster" "this" {
  count = var.serverless ? 1 : 0

  cluster_name = var.name

  client_authentication {
    sasl {
      iam {
        enabled = true
      }
    }
  }

  vpc_config {
    security_group_ids = [aws_security_group.this.id]
    subnet_ids         = var.subnet_ids
  }
}
