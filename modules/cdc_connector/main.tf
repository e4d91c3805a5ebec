data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  topic_prefix = coalesce(var.topic_prefix, var.name)

  # The provider takes a name: an ARN's colons would part its reference. The ARN ends with the name, '-' and six letters.
  secret_name = regex(":secret:(.+)-[A-Za-z0-9]{6}$", var.secret_arn)[0]

  # How a client logs in at MSK, for the connector's own clients: the worker's are set up by MSK Connect.
  login = {
    "security.protocol"                  = "SASL_SSL"
    "sasl.client.callback.handler.class" = "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
    "sasl.jaas.config"                   = "software.amazon.msk.auth.iam.IAMLoginModule required;"
    "sasl.mechanism"                     = "AWS_MSK_IAM"
  }

  config = merge(
    module.settings.config,
    {
      "config.action.reload" = "none" # a secret that is read again restarts nothing
      "database.user"        = "$${secretsmanager:${local.secret_name}:username}"
      "database.password"    = "$${secretsmanager:${local.secret_name}:password}"
    },
    var.engine == "mysql" ? { "database.ssl.mode" = "required" } : { "database.sslmode" = "require" },
    merge([for client in ["consumer", "producer"] : {
      for key, value in local.login : "schema.history.internal.${client}.${key}" => value if var.engine == "mysql"
    }]...),
  )

  # Where the connector's position is kept. MSK Connect would name a topic after each connector's id, and what can't be
  # changed in place (plugin, version, role) makes another connector: it would begin with a snapshot.
  offsets_topic = "${local.topic_prefix}.connect-offsets"

  worker_properties = join("\n", [
    "key.converter=org.apache.kafka.connect.json.JsonConverter",
    "value.converter=org.apache.kafka.connect.json.JsonConverter",
    "config.providers=secretsmanager",
    "config.providers.secretsmanager.class=com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
    "config.providers.secretsmanager.param.region=${data.aws_region.current.name}",
    "offset.storage.topic=${local.offsets_topic}",
    "",
  ])
}

module "settings" {
  source = "./settings"

  bootstrap_servers = var.bootstrap_servers
  config            = var.config
  database          = var.database
  engine            = var.engine
  host              = var.host
  partitions        = var.partitions
  port              = var.port
  server_id         = var.server_id
  signal_table      = var.signal_table
  tables            = var.tables
  topic_prefix      = local.topic_prefix
}

# Another content, or another version of the object, is another plugin: MSK Connect copies it once, and never looks again.
resource "aws_mskconnect_custom_plugin" "this" {
  name         = "${var.name}-${substr(sha256("${var.plugin.sha256} ${var.plugin.object_version}"), 0, 12)}"
  description  = "SHA-256 ${var.plugin.sha256}"
  content_type = "ZIP"

  location {
    s3 {
      bucket_arn     = var.plugin.bucket_arn
      file_key       = var.plugin.key
      object_version = var.plugin.object_version
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_mskconnect_worker_configuration" "this" {
  name                    = "${var.name}-${substr(sha256(local.worker_properties), 0, 12)}"
  description             = "JSON, and passwords from Secrets Manager"
  properties_file_content = local.worker_properties

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_mskconnect_connector" "this" {
  count = var.enabled ? 1 : 0

  name                       = var.name
  description                = "Changes of the database ${var.database}"
  kafkaconnect_version       = var.kafkaconnect_version
  service_execution_role_arn = aws_iam_role.this.arn
  connector_configuration    = local.config

  # One worker: Debezium reads a log by one task, and MSK Connect's scaling would ask for more.
  capacity {
    provisioned_capacity {
      mcu_count    = var.mcu_count
      worker_count = 1
    }
  }

  kafka_cluster {
    apache_kafka_cluster {
      bootstrap_servers = var.bootstrap_servers

      vpc {
        security_groups = var.security_group_ids
        subnets         = var.subnet_ids
      }
    }
  }

  kafka_cluster_client_authentication {
    authentication_type = "IAM"
  }

  kafka_cluster_encryption_in_transit {
    encryption_type = "TLS"
  }

  log_delivery {
    worker_log_delivery {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this.name
      }
    }
  }

  plugin {
    custom_plugin {
      arn      = aws_mskconnect_custom_plugin.this.arn
      revision = aws_mskconnect_custom_plugin.this.latest_revision
    }
  }

  worker_configuration {
    arn      = aws_mskconnect_worker_configuration.this.arn
    revision = aws_mskconnect_worker_configuration.this.latest_revision
  }

  # It tries its rights at once.
  depends_on = [aws_iam_role_policy.this]
}
