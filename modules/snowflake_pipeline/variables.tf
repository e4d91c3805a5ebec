variable "alarm_role_arn" {
  description = "IAM role with which Snowflake publishes to `alarm_topic_arn`; it trusts `alarm_user_arn` with `alarm_external_id`, so its ARN is written out here. The module `partner_role` makes it."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_role_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.alarm_role_arn))
    error_message = "alarm_role_arn must be the ARN of an IAM role."
  }

  validation {
    condition     = (var.alarm_role_arn == null) == (var.alarm_topic_arn == null)
    error_message = "alarm_role_arn and alarm_topic_arn go together: a topic, and the role that may publish to it."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic that hears of each failed run of a task; Snowflake's account must be on AWS too. Null tells nobody."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || (can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:.+$", var.alarm_topic_arn)) && !endswith(coalesce(var.alarm_topic_arn, "-"), ".fifo"))
    error_message = "alarm_topic_arn must be the ARN of a standard SNS topic: notifications to a FIFO topic are lost without a word."
  }
}

variable "comment" {
  description = "What the pipeline is for."
  type        = string
  nullable    = false
}

variable "database" {
  description = "Database in which the schemas are made, such as the output of snowflake_warehouse."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{1,99}$", var.database))
    error_message = "database must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "landing_schema" {
  description = "Schema of the landing tables, streams and tasks."
  type        = string
  default     = "LANDING"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{0,99}$", var.landing_schema))
    error_message = "landing_schema must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "landing_tables" {
  description = "Tables that only ever grow, by name: what they hold, their columns (`default` is an SQL expression), and the name of the append-only stream on each. Only with `prune` may the tasks delete from one."
  type = map(object({
    columns = list(object({
      name     = string
      type     = string
      comment  = optional(string)
      default  = optional(string)
      nullable = optional(bool, true)
    }))
    comment = string
    prune   = optional(bool, false)
    stream  = string
  }))
  nullable = false

  validation {
    condition     = length(var.landing_tables) > 0 && alltrue([for name, table in var.landing_tables : can(regex("^[A-Z][A-Z0-9_]{0,99}$", name)) && can(regex("^[A-Z][A-Z0-9_]{0,99}$", table.stream)) && length(table.columns) > 0])
    error_message = "landing_tables must be at least one, each with columns; tables and streams are named in upper case."
  }

  validation {
    condition     = length(distinct(concat(keys(var.landing_tables), values(var.landing_tables)[*].stream))) == 2 * length(var.landing_tables)
    error_message = "landing_tables[*].stream must be a name of its own, of no other stream and no table."
  }
}

variable "loader_tables" {
  description = "Tables beside them that the loader keeps for itself, such as how far it is: it may read and change them, the tasks may read them."
  type = map(object({
    columns = list(object({
      name     = string
      type     = string
      comment  = optional(string)
      default  = optional(string)
      nullable = optional(bool, true)
    }))
    comment = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, table in var.loader_tables : can(regex("^[A-Z][A-Z0-9_]{0,99}$", name)) && length(table.columns) > 0])
    error_message = "loader_tables are named in upper case, each with columns."
  }

  validation {
    condition     = length(setintersection(keys(var.loader_tables), keys(var.landing_tables))) == 0 && !contains(concat(keys(var.loader_tables), keys(var.landing_tables)), "STREAM_SINK")
    error_message = "loader_tables and landing_tables must have different names, and none may be STREAM_SINK, which the module makes."
  }
}

variable "loaders" {
  description = "Roles that load, such as that of the loader's own user."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.loaders, "PUBLIC")
    error_message = "loaders must be named roles; PUBLIC is everybody."
  }
}

variable "mergers" {
  description = "Roles that may do what the tasks do, such as that of a program which adapts views to new columns."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.mergers, "PUBLIC")
    error_message = "mergers must be named roles; PUBLIC is everybody."
  }
}

variable "name" {
  description = "Name of the pipeline; its roles are `<name>_LOADER`, `<name>_MERGER` and `<name>_READER`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{1,99}$", var.name))
    error_message = "name must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "readers" {
  description = "Roles that may read what was merged, such as `ANALYST`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.readers, "PUBLIC")
    error_message = "readers must be named roles; PUBLIC is everybody."
  }
}

variable "stage" {
  description = "Name of an internal stage in the landing schema, for a loader that puts files there and copies them. Null makes none."
  type        = string
  default     = null

  validation {
    condition     = var.stage == null || can(regex("^[A-Z][A-Z0-9_]{0,99}$", var.stage))
    error_message = "stage must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "target_schemas" {
  description = "Schemas in which the tasks make and fill tables, by name, each with what it holds and whether readers see it."
  type = map(object({
    comment  = string
    readable = optional(bool, true)
  }))
  nullable = false

  validation {
    condition     = length(var.target_schemas) > 0 && alltrue([for name in keys(var.target_schemas) : can(regex("^[A-Z][A-Z0-9_]{0,99}$", name))])
    error_message = "target_schemas must be at least one, of upper-case letters, digits and underscores."
  }

  validation {
    condition     = !contains(keys(var.target_schemas), var.landing_schema)
    error_message = "target_schemas can't hold landing_schema: what has landed is not changed."
  }
}

variable "tasks" {
  description = "What is run, by name. `statements`, one SQL statement each, are one transaction (what stands behind a semicolon within one is not looked at); `setup` runs before it, such as `CREATE TABLE IF NOT EXISTS`. The streams of the landing tables that a task `watches` start it, at most every `every_s` (30) seconds; without any, or with `serverless` (the size to begin with), that is its schedule, `cron` (with a time zone) another. A run ends after `timeout_s`; after `failures_to_suspend` failures in a row (0: never) the task stays away until the next apply."
  type = map(object({
    comment             = string
    cron                = optional(string)
    every_s             = optional(number)
    failures_to_suspend = optional(number, 10)
    serverless          = optional(string)
    setup               = optional(list(string), [])
    started             = optional(bool, true)
    statements          = list(string)
    timeout_s           = optional(number, 600)
    watches             = optional(set(string), [])
  }))
  nullable = false

  validation {
    condition     = length(var.tasks) > 0 && alltrue([for name in keys(var.tasks) : can(regex("^[A-Z][A-Z0-9_]{0,99}$", name))])
    error_message = "tasks must be at least one, of upper-case letters, digits and underscores."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : length(task.statements) > 0 && alltrue([for each in concat(task.setup, task.statements) : can(regex("[^;\\s]\\s*$", each))])])
    error_message = "tasks[*].statements must be one or more, and these and setup one SQL statement each, without a semicolon at the end."
  }

  validation {
    condition     = alltrue(flatten([for task in values(var.tasks) : [for each in task.statements : !can(regex("(?is)^(\\s|--[^\\n]*\\n|/\\*.*?\\*/)*(alter|begin|call|comment|commit|create|drop|execute|grant|revoke|rollback|start|truncate|undrop|use)\\b", each))]]))
    error_message = "tasks[*].statements are one transaction, so they only change rows; a statement that changes tables would commit what came before it: put it into setup."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : length(setsubtract(task.watches, keys(var.landing_tables))) == 0])
    error_message = "tasks[*].watches must be names of landing_tables."
  }

  validation {
    condition     = length(distinct(flatten([for task in values(var.tasks) : tolist(task.watches)]))) == length(flatten([for task in values(var.tasks) : tolist(task.watches)]))
    error_message = "tasks[*].watches: no two tasks can watch one landing table, because what one has read of its stream the other never sees."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : task.cron == null || (task.every_s == null && can(regex("^(\\S+ ){5}[A-Za-z_/+-]+$", task.cron)))])
    error_message = "tasks[*].cron is five fields and a time zone, such as \"15 3 * * * UTC\", and has no every_s beside it."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : task.every_s == null || try(task.every_s >= 10 && task.every_s <= 604800 && floor(task.every_s) == task.every_s, false)])
    error_message = "tasks[*].every_s must be whole seconds, 10 to 604800."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : task.timeout_s >= 10 && task.timeout_s <= 86400])
    error_message = "tasks[*].timeout_s must be 10 to 86400: a run that never ends keeps all others from starting."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : task.failures_to_suspend >= 0 && floor(task.failures_to_suspend) == task.failures_to_suspend])
    error_message = "tasks[*].failures_to_suspend must be a whole number, 0 or more."
  }

  validation {
    condition     = alltrue([for task in values(var.tasks) : task.serverless == null || contains(["XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE"], coalesce(task.serverless, "-"))])
    error_message = "tasks[*].serverless must be XSMALL, SMALL, MEDIUM, LARGE, XLARGE or XXLARGE."
  }
}

variable "time_travel_days" {
  description = "Days that landing tables and targets can be read and restored as they were; more than one needs Snowflake's Enterprise edition."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.time_travel_days >= 1 && var.time_travel_days <= 90
    error_message = "time_travel_days must be between 1 and 90."
  }
}

variable "warehouse" {
  description = "Warehouse of the loader, the readers, and the tasks that are not `serverless`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{1,99}$", var.warehouse))
    error_message = "warehouse must be upper-case letters, digits and underscores, starting with a letter."
  }
}
