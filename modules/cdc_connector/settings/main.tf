# The part that AWS and the stand-in share: a connector's settings. Whoever runs it adds how it logs in.
locals {
  every = {
    "database.hostname" = var.host
    "database.port"     = tostring(var.port)
    "tasks.max"         = "1" # a log has one reader
    "topic.prefix"      = var.topic_prefix

    # JSON with whole values: numbers with all their digits, times as ISO 8601 has them, bytes in hexadecimal digits.
    "binary.handling.mode"           = "hex"
    "decimal.handling.mode"          = "precise"
    "key.converter"                  = "org.apache.kafka.connect.json.JsonConverter"
    "key.converter.decimal.format"   = "NUMERIC"
    "key.converter.schemas.enable"   = "false"
    "time.precision.mode"            = "isostring"
    "value.converter"                = "org.apache.kafka.connect.json.JsonConverter"
    "value.converter.decimal.format" = "NUMERIC"
    "value.converter.schemas.enable" = "false"

    # A null is a null, also in a column with a default: the converter would write the default.
    "key.converter.replace.null.with.default"   = "false"
    "value.converter.replace.null.with.default" = "false"

    "provide.transaction.metadata"              = "true"
    "topic.creation.default.partitions"         = tostring(var.partitions)
    "topic.creation.default.replication.factor" = "-1" # the cluster's own

    # Written even when nothing changes: silence is a failure then.
    "heartbeat.interval.ms"  = "10000"
    "topic.heartbeat.prefix" = "${var.topic_prefix}.heartbeat"

    # A database that restarts or fails over is waited for, some five minutes; without an end nobody would hear of it.
    "errors.max.retries"                  = "150"
    "retriable.restart.connector.wait.ms" = "2000"
  }

  of_engine = {
    mysql = {
      "bigint.unsigned.handling.mode"                   = "precise"
      "connect.keep.alive.interval.ms"                  = "2000"
      "connector.class"                                 = "io.debezium.connector.mysql.MySqlConnector"
      "database.include.list"                           = var.database
      "database.server.id"                              = tostring(coalesce(var.server_id, parseint(substr(sha256(var.topic_prefix), 0, 7), 16) + 1))
      "schema.history.internal.kafka.bootstrap.servers" = var.bootstrap_servers
      "schema.history.internal.kafka.topic"             = "${var.topic_prefix}.schema-history"

      # The heartbeat's own connection would stay broken once the server has been away, and nothing move on while it sleeps.
      # The driver makes it again, after a statement has failed: so a snapshot breaks off all the same. It takes all three.
      "driver.autoReconnect"              = "true"
      "driver.autoReconnectForPools"      = "true"
      "driver.readOnlyPropagatesToServer" = "false"
    }
    postgres = {
      "connector.class"             = "io.debezium.connector.postgresql.PostgresConnector"
      "database.dbname"             = var.database
      "lsn.flush.mode"              = "connector_and_driver" # of a quiet database the slot moves on too: its log can be cut
      "plugin.name"                 = "pgoutput"
      "publication.autocreate.mode" = "filtered"
      "publication.name"            = replace(var.topic_prefix, "/[^a-z0-9]/", "_")
      "slot.name"                   = replace(var.topic_prefix, "/[^a-z0-9]/", "_")
      "slot.retry.delay.ms"         = "2000"
    }
  }

  optional = {
    "signal.data.collection"  = var.signal_table
    "signal.enabled.channels" = var.signal_table == null ? null : "source"
    "table.include.list"      = length(var.tables) > 0 ? join(",", var.tables) : null
  }
}
