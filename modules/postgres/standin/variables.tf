variable "allocated_storage_gb" {
  description = "Storage to start with."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.allocated_storage_gb >= 20
    error_message = "allocated_storage_gb must be 20 or more, the least that gp3 takes."
  }
}

variable "allowed_security_group_ids" {
  description = "Security groups of the clients: each may connect on 5432, and gets the outgoing rule for it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that backups are kept, and to which the database can be wound back."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be between 1 and 35: a database without backups is refused."
  }
}

variable "database" {
  description = "Name of the database."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database)) && !contains(["postgres", "rdsadmin", "template0", "template1"], var.database)
    error_message = "database must be a letter followed by up to 62 lower-case letters, digits or underscores, and none of PostgreSQL's own."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the instance. Without it there is no final snapshot either: only for databases that can be lost."
  type        = bool
  default     = true
  nullable    = false
}

variable "engine_version" {
  description = "PostgreSQL version: a major one follows its minor versions."
  type        = string
  default     = "17"
  nullable    = false

  validation {
    condition     = can(regex("^1[5-8](\\.[0-9]+)?$", var.engine_version))
    error_message = "engine_version must be PostgreSQL 15 or later, like \"17\" or \"17.6\"."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class must look like db.t4g.medium."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts storage, backups, the master secret, performance data and logs. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the database's logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "log_statements_over_ms" {
  description = "Statements that take at least so many milliseconds are logged; -1 logs none by time."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.log_statements_over_ms >= -1
    error_message = "log_statements_over_ms must be -1 or more."
  }
}

variable "logical_replication" {
  description = "Whether changes can be followed, as change data capture does: the log says more, and slots keep it for their readers."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_allocated_storage_gb" {
  description = "Storage that the instance may grow to by itself."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_allocated_storage_gb > var.allocated_storage_gb
    error_message = "max_allocated_storage_gb must be larger than allocated_storage_gb."
  }
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over when the first fails."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Full name of the instance; everything around it is named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 53
    error_message = "name must be up to 53 lower-case letters, digits and single hyphens, starting with a letter."
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

variable "username" {
  description = "Master user. Its password is made and rotated by RDS."
  type        = string
  default     = "orrery"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.username)) && !contains(["admin", "postgres", "rdsadmin"], var.username)
    error_message = "username must be lower-case letters, digits and underscores, and no reserved name."
  }
}

variable "vpc_id" {
  description = "Without effect: the local server is in no VPC."
  type        = string
  default     = null
}
