variable "alarm_topic_arn" {
  description = "Topic that the alarms on usage, capacity and failed loads tell. Null tells nobody."
  type        = string
  default     = null
}

variable "allowed_security_group_ids" {
  description = "Security groups of the clients: each may connect on 5439, and gets the outgoing rule for it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "base_capacity_rpu" {
  description = "Redshift Processing Units that a query gets from its first second: 8 to 512, in steps of 8. One is 16 GB of memory."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.base_capacity_rpu >= 8 && var.base_capacity_rpu <= 512 && var.base_capacity_rpu % 8 == 0
    error_message = "base_capacity_rpu must be 8 to 512, in steps of 8."
  }
}

variable "copy_sources" {
  description = "What the warehouse may COPY from, by name: a bucket, the prefix within it, and its key where that isn't `kms_key_arn`."
  type = map(object({
    bucket_arn  = string
    kms_key_arn = optional(string)
    prefix      = optional(string, "")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.copy_sources) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "copy_sources are named in lower case, like landing."
  }

  validation {
    condition     = alltrue([for source in values(var.copy_sources) : !strcontains("${source.bucket_arn}${source.prefix}", "*")])
    error_message = "copy_sources[*].bucket_arn and prefix name one bucket and one folder: no wildcards."
  }
}

variable "database" {
  description = "Name of the database."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database)) && !contains(["padb_harvest", "postgres", "rdsadmin", "template0", "template1"], var.database)
    error_message = "database must be a letter followed by up to 62 lower-case letters, digits or underscores, and none of the system's own."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the data, snapshots, the admin's secret and logs. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the logs of connections, users and queries are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "max_capacity_rpu" {
  description = "Redshift Processing Units that it may grow to, all queries together, in steps of 8."
  type        = number
  default     = 32
  nullable    = false

  validation {
    condition     = var.max_capacity_rpu >= var.base_capacity_rpu && var.max_capacity_rpu <= 5632 && var.max_capacity_rpu % 8 == 0
    error_message = "max_capacity_rpu must be base_capacity_rpu or more, in steps of 8."
  }
}

variable "max_query_seconds" {
  description = "A query that runs longer is stopped."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_query_seconds >= 1 && var.max_query_seconds <= 86399
    error_message = "max_query_seconds must be between 1 and 86399."
  }
}

variable "name" {
  description = "Full name of namespace and workgroup; everything around them is named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) >= 3 && length(var.name) <= 50
    error_message = "name must be 3 to 50 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "reach_security_group_ids" {
  description = "Security groups that the warehouse wears besides its own, for its way out: COPY goes through the VPC, and needs a rule for S3's gateway endpoint."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "snapshots" {
  description = "Snapshots to take and keep, by name, each with its days: `{ before-migration = 30 }`. A snapshot is taken once, when its name appears."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, days in var.snapshots : can(regex("^[a-z](-?[a-z0-9])*$", name)) && days >= 1 && days <= 3653])
    error_message = "snapshots are named with lower-case letters, digits and single hyphens, and kept for 1 to 3653 days."
  }
}

variable "standin" {
  description = "The local server: where it listens, the database provisioned on it and the role that owns it. `secret_version` is another number when the password is another one."
  type = object({
    host           = string
    port           = number
    database       = string
    username       = string
    secret_version = optional(number, 1)
  })
  nullable = false
}

variable "standin_password" {
  description = "Password of that role. Never in the state or a saved plan."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "subnet_ids" {
  description = "Without effect: the local server is in no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "usage_limits" {
  description = "What may be used, by name: RPU-hours in a daily, weekly or monthly period, and the action when they are gone: log, emit-metric or deactivate (no query until the next period)."
  type = map(object({
    action    = string
    period    = string
    rpu_hours = number
  }))
  default = {
    daily   = { action = "emit-metric", period = "daily", rpu_hours = 16 }
    monthly = { action = "deactivate", period = "monthly", rpu_hours = 160 }
  }
  nullable = false

  validation {
    condition     = length(var.usage_limits) > 0 && alltrue([for name in keys(var.usage_limits) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "usage_limits must be one or more, named in lower case: without one nothing ends a query that nobody meant."
  }

  validation {
    condition     = alltrue([for limit in values(var.usage_limits) : contains(["log", "emit-metric", "deactivate"], limit.action) && contains(["daily", "weekly", "monthly"], limit.period)])
    error_message = "usage_limits[*].action must be log, emit-metric or deactivate, and period daily, weekly or monthly."
  }

  validation {
    condition     = alltrue([for limit in values(var.usage_limits) : limit.rpu_hours >= 1 && floor(limit.rpu_hours) == limit.rpu_hours])
    error_message = "usage_limits[*].rpu_hours must be whole hours, 1 or more."
  }
}

variable "username" {
  description = "Admin user. Its password is made and rotated by Redshift."
  type        = string
  default     = "orrery"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.username)) && !contains(["admin", "postgres", "public", "rdsadmin", "rdsdb"], var.username)
    error_message = "username must be lower-case letters, digits and underscores, and no reserved name."
  }
}

variable "vpc_id" {
  description = "Without effect: the local server is in no VPC."
  type        = string
  default     = null
}
