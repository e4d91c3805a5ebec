variable "alarm_topic_arns" {
  description = "SNS topics, in this provider's region, told when an alarm fires and when it clears."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "bootstrap_servers" {
  description = "The brokers, with IAM: the output `bootstrap_servers` of the module kafka."
  type        = string
  nullable    = false
}

variable "cluster_arn" {
  description = "ARN of the MSK cluster, on which rights are given."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.cluster_arn))
    error_message = "cluster_arn must be the ARN of an MSK cluster."
  }
}

variable "config" {
  description = "Further settings of the connector, by Debezium's names. They replace those that the module chooses, except what stands in variables of its own."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.config), ["connector.class", "database.dbname", "database.hostname", "database.include.list", "database.port", "database.server.id", "tasks.max", "topic.prefix"])) == 0
    error_message = "config sets what a variable of the module or nobody may set: connector.class, tasks.max, topic.prefix, database.dbname, hostname, include.list, port or server.id."
  }

  validation {
    condition     = alltrue([for key in keys(var.config) : !can(regex("(?i)password|secret|jaas|database\\.user$", key))])
    error_message = "config takes no logins: settings are readable in the account and in the state. secret_arn has them."
  }
}

variable "database" {
  description = "Name of the database that is followed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_]{1,63}$", var.database))
    error_message = "database must be one name of letters, digits and underscores."
  }
}

variable "enabled" {
  description = "Whether the connector runs. Without it all around it is there: a database gets its user and grants before it is followed."
  type        = bool
  default     = true
  nullable    = false
}

variable "engine" {
  description = "What the database is: mysql or postgres."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["mysql", "postgres"], var.engine)
    error_message = "engine must be mysql or postgres."
  }
}

variable "host" {
  description = "Host name of the database."
  type        = string
  nullable    = false
}

variable "kafkaconnect_version" {
  description = "Version of Kafka Connect. Debezium 3 needs the Java of 3.7.x."
  type        = string
  default     = "3.7.x"
  nullable    = false

  validation {
    condition     = can(regex("^(3\\.[7-9]|4\\.[0-9])(\\.[0-9x]+)?$", var.kafkaconnect_version))
    error_message = "kafkaconnect_version must be 3.7 or later, like \"3.7.x\"."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the logs, and that the secret is encrypted with. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the worker's logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "mcu_count" {
  description = "Size of the one worker: 1, 2, 4 or 8 units of a processor and 4 GiB."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8], var.mcu_count)
    error_message = "mcu_count must be 1, 2, 4 or 8."
  }
}

variable "name" {
  description = "Full name of the connector; everything around it is named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 50
    error_message = "name must be up to 50 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "partitions" {
  description = "Partitions of each topic that the connector makes; a row's key keeps its changes in one of them, in order."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.partitions >= 1 && var.partitions <= 1000
    error_message = "partitions must be 1 to 1000."
  }
}

variable "plugin" {
  description = "The ZIP with Debezium's connector and the secrets provider: its bucket, key and version, and the SHA-256 of its content, which was checked when it was uploaded."
  type = object({
    bucket_arn     = string
    key            = string
    object_version = string
    sha256         = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.plugin.sha256)) && length(var.plugin.object_version) > 0
    error_message = "plugin needs the version of the object, and its SHA-256 in 64 hexadecimal digits: what runs is what was checked."
  }
}

variable "port" {
  description = "Port of the database."
  type        = number
  nullable    = false
}

variable "secret_arn" {
  description = "ARN of the secret with `{\"username\", \"password\"}` of a user that may follow changes. Read by the worker, by name; it is nowhere else."
  type        = string
  nullable    = false
}

variable "security_group_ids" {
  description = "Without effect: the local worker is in no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "server_id" {
  description = "MySQL only: a number that no other reader of the server's log has; by default one that follows from the topics' prefix."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.server_id, 1) >= 1 && coalesce(var.server_id, 1) <= 4294967295
    error_message = "server_id must be 1 to 4294967295."
  }
}

variable "signal_table" {
  description = "Table that asks for snapshots while changes go on, such as `shop.signals`; the connector's user may write it. Null is none."
  type        = string
  default     = null
}

variable "silent_minutes" {
  description = "An alarm fires when the connector has written nothing for so many minutes. It writes a heartbeat each ten seconds."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.silent_minutes >= 2 && var.silent_minutes <= 60
    error_message = "silent_minutes must be 2 to 60."
  }
}

variable "standin" {
  description = "The local worker: its address, and the folder of the files that settings may read passwords from."
  type = object({
    url     = string
    secrets = string
  })
  nullable = false
}

variable "subnet_ids" {
  description = "Without effect: the local worker is in no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "tables" {
  description = "Tables that are followed, as `shop.orders` with the database (MySQL) or schema (PostgreSQL); all by default."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for table in var.tables : can(regex("^[A-Za-z0-9_$]+\\.[A-Za-z0-9_$]+$", table))])
    error_message = "tables are named in full, like shop.orders: no patterns."
  }
}

variable "topic_prefix" {
  description = "How the topics' names begin: `<prefix>.<database or schema>.<table>`. The connector's name by default."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]{0,62}$", coalesce(var.topic_prefix, "x")))
    error_message = "topic_prefix must be up to 63 lower-case letters, digits, '_' and '-', starting with a letter."
  }
}
