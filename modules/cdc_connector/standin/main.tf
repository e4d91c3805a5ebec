# What the module cdc_connector does on AWS, carried by the local Kafka Connect worker, which exists already when this is
# applied. Nothing is made here: `jobs/connectors.py` applies the output `connector`, and writes the secret's values to the file
# that its settings read. Variables that describe MSK Connect are taken, so that a stack passes the same values to both, and have no effect.

locals {
  topic_prefix = coalesce(var.topic_prefix, var.name)
  secret_file  = "${var.standin.secrets}/${var.name}.properties"

  config = merge(
    module.settings.config,
    {
      "database.user"     = "$${file:${local.secret_file}:username}"
      "database.password" = "$${file:${local.secret_file}:password}"
    },
    var.engine == "mysql" ? { "database.ssl.mode" = "disabled" } : { "database.sslmode" = "disable" },
  )
}

module "settings" {
  source = "../settings"

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
