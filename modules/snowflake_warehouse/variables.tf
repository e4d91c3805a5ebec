variable "auto_suspend_s" {
  description = "Seconds without a query after which the warehouse stops, and with it the bill."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.auto_suspend_s >= 60 && var.auto_suspend_s <= 3600
    error_message = "auto_suspend_s must be between 60 and 3600: a start is billed for a minute, and a warehouse that never stops for a month."
  }
}

variable "comment" {
  description = "What warehouse and database are for."
  type        = string
  nullable    = false
}

variable "credits_per_month" {
  description = "Credits that the warehouse may use in a month: at 90 percent no query starts any more, at 100 the running ones are stopped."
  type        = number
  nullable    = false

  validation {
    condition     = var.credits_per_month >= 1
    error_message = "credits_per_month must be 1 or more."
  }
}

variable "database" {
  description = "Name of the database; its roles are `<database>_READER` and `<database>_WRITER`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{1,99}$", var.database))
    error_message = "database must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "max_clusters" {
  description = "Clusters that the warehouse grows to when queries wait; more than one needs Snowflake's Enterprise edition."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.max_clusters >= 1 && var.max_clusters <= 10
    error_message = "max_clusters must be between 1 and 10."
  }
}

variable "name" {
  description = "Name of the warehouse, and of its resource monitor."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9_]{1,99}$", var.name))
    error_message = "name must be upper-case letters, digits and underscores, starting with a letter."
  }
}

variable "notify_users" {
  description = "Users, each with a verified address, who are told when credits run out."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "readers" {
  description = "Roles that may read, such as `ANALYST`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.readers, "PUBLIC")
    error_message = "readers must be named roles; PUBLIC is everybody."
  }
}

variable "schemas" {
  description = "Schemas by name, each with what it holds."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.schemas) > 0 && alltrue([for name in keys(var.schemas) : can(regex("^[A-Z][A-Z0-9_]{0,99}$", name))])
    error_message = "schemas must be at least one, of upper-case letters, digits and underscores."
  }
}

variable "size" {
  description = "Size of the warehouse: `XSMALL` to `XXLARGE`. Each step doubles speed and price."
  type        = string
  default     = "XSMALL"
  nullable    = false

  validation {
    condition     = contains(["XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE"], var.size)
    error_message = "size must be XSMALL, SMALL, MEDIUM, LARGE, XLARGE or XXLARGE."
  }
}

variable "statement_timeout_s" {
  description = "Seconds after which a query is stopped."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.statement_timeout_s >= 1 && var.statement_timeout_s <= 86400
    error_message = "statement_timeout_s must be between 1 and 86400."
  }
}

variable "time_travel_days" {
  description = "Days that tables can be read and restored as they were; more than one needs Snowflake's Enterprise edition."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.time_travel_days >= 1 && var.time_travel_days <= 90
    error_message = "time_travel_days must be between 1 and 90."
  }
}

variable "writers" {
  description = "Roles that may write, and read, such as `LOADER`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.writers, "PUBLIC")
    error_message = "writers must be named roles; PUBLIC is everybody."
  }
}
