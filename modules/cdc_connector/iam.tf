locals {
  account_id = split(":", var.cluster_arn)[4]

  # An ARN of what is in a cluster has the cluster's name and number, and its own name: …:topic/name/number/topic
  within = { for kind in ["topic", "group"] : kind => replace(var.cluster_arn, ":cluster/", ":${kind}/") }
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["kafkaconnect.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:kafkaconnect:${data.aws_region.current.name}:${local.account_id}:connector/${var.name}/*"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-connect"
  description        = "What the connector ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "Cluster"
    actions   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"]
    resources = [var.cluster_arn]
  }

  # Its own topics, which it makes, and the history of the schema, which it reads again when it starts.
  statement {
    sid = "Topics"
    actions = [
      "kafka-cluster:CreateTopic",
      "kafka-cluster:DescribeTopic",
      "kafka-cluster:DescribeTopicDynamicConfiguration",
      "kafka-cluster:ReadData",
      "kafka-cluster:WriteData",
    ]
    resources = ["${local.within["topic"]}/${local.topic_prefix}", "${local.within["topic"]}/${local.topic_prefix}.*"]
  }

  # Where MSK Connect keeps a connector's settings, state and offsets. Their names end with letters of its own choice.
  statement {
    sid = "Worker"
    actions = [
      "kafka-cluster:CreateTopic",
      "kafka-cluster:DescribeTopic",
      "kafka-cluster:DescribeTopicDynamicConfiguration",
      "kafka-cluster:ReadData",
      "kafka-cluster:WriteData",
    ]
    resources = ["${local.within["topic"]}/__amazon_msk_connect_*_${var.name}_*"]
  }

  statement {
    sid     = "Groups"
    actions = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
    resources = [
      "${local.within["group"]}/__amazon_msk_connect_*", # the form of the rest is not documented
      "${local.within["group"]}/${local.topic_prefix}-schemahistory",
    ]
  }

  statement {
    sid       = "Secret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arn]
  }

  statement {
    sid       = "SecretKey"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.name}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "connect"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
