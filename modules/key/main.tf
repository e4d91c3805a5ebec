data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_root = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:root"
  key          = one(concat(aws_kms_key.primary, aws_kms_replica_key.replica))
}

# A key policy always names the key itself as "*": it is attached to one key and reaches no other.
data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:In a key policy "*" is this one key; the statement hands its management to the account's IAM policies
  # checkov:skip=CKV_AWS_111:In a key policy "*" is this one key; without this statement the key could never be changed or deleted
  # checkov:skip=CKV_AWS_356:A key policy can't name its own key: "*" is the only resource it accepts, and means that key
  # checkov:skip=ORR_2:A key policy can't name its own key: "*" is the only resource it accepts, and means that key
  statement {
    sid       = "AccountAdministration"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.account_root]
    }
  }

  dynamic "statement" {
    for_each = local.service_principals

    content {
      sid = "Service${join("", regexall("[A-Za-z0-9]+", title(statement.key)))}"
      actions = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
      ]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = [statement.value.principal]
      }

      # A service may use the key only on behalf of this account (confused deputy).
      dynamic "condition" {
        for_each = statement.value.condition[*]

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = [condition.value.value]
        }
      }
    }
  }
}

locals {
  logs_arn = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${var.account_id}:log-group:*"

  # Two services don't say for whose account they call. CloudWatch Logs names the log group as encryption context;
  # EventBridge names nothing, and what it may reach is up to the policy of the encrypted topic or queue.
  special_services = {
    events = { principal = "events.amazonaws.com", condition = null }
    logs = {
      principal = "logs.${data.aws_region.current.name}.amazonaws.com"
      condition = { test = "ArnLike", variable = "kms:EncryptionContext:aws:logs:arn", value = local.logs_arn }
    }
  }

  service_principals = {
    for service in var.services : service => lookup(local.special_services, service, {
      principal = "${service}.amazonaws.com"
      condition = { test = "StringEquals", variable = "aws:SourceAccount", value = var.account_id }
    })
  }
}

resource "aws_kms_key" "primary" {
  count = var.replica_of == null ? 1 : 0

  description             = var.description
  deletion_window_in_days = var.deletion_window_days
  enable_key_rotation     = true
  multi_region            = var.multi_region
  policy                  = data.aws_iam_policy_document.key.json
}

# The key material and its rotation come from the primary; policy, alias and deletion are the replica's own.
resource "aws_kms_replica_key" "replica" {
  count = var.replica_of == null ? 0 : 1

  description             = var.description
  deletion_window_in_days = var.deletion_window_days
  policy                  = data.aws_iam_policy_document.key.json
  primary_key_arn         = var.replica_of.key_arn
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = local.key.key_id
}
