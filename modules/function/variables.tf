variable "alarm_topic_arn" {
  description = "SNS topic told about errors, throttles and dead letters. Null keeps the alarms without a receiver."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor the package was built for."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "async_max_age_s" {
  description = "Seconds after which an asynchronous event that was not handled goes to the dead-letter queue."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.async_max_age_s >= 60 && var.async_max_age_s <= 21600
    error_message = "async_max_age_s must be between 60 and 21600."
  }
}

variable "async_retries" {
  description = "Attempts after an asynchronous call failed, before the event goes to the dead-letter queue."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([0, 1, 2], var.async_retries)
    error_message = "async_retries must be 0, 1 or 2."
  }
}

variable "dead_letter" {
  description = "Whether events that fail for good are kept in an own encrypted queue, `<name>-dlq`. False only for functions that are never called asynchronously."
  type        = bool
  default     = true
  nullable    = false
}

variable "description" {
  description = "What the function does."
  type        = string
  default     = ""
  nullable    = false
}

variable "environment" {
  description = "Environment variables, encrypted with `kms_key_arn`. Pass the ARN of a secret, never its value."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]*$", name)) && !startswith(name, "AWS_")])
    error_message = "environment names are letters, digits and underscores and don't start with AWS_ (Lambda reserves those)."
  }
}

variable "ephemeral_storage_mb" {
  description = "Size of /tmp."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240
    error_message = "ephemeral_storage_mb must be between 512 and 10240."
  }
}

variable "grants" {
  description = "What the function may do, by name: `{ read_landing = { actions = [\"s3:GetObject\"], resources = [\"<bucket arn>/*\"] } }`. Actions are spelt out, without wildcards. Resources `*` needs `why_all_resources`."
  type = map(object({
    actions           = list(string)
    resources         = list(string)
    why_all_resources = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.grants) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "grants are named in lower case, like read_landing."
  }

  validation {
    condition     = alltrue(flatten([for grant in values(var.grants) : [for action in grant.actions : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))]]))
    error_message = "grants[*].actions are spelt out like s3:GetObject: no wildcards."
  }

  validation {
    condition     = alltrue([for grant in values(var.grants) : length(grant.actions) > 0 && length(grant.resources) > 0])
    error_message = "grants[*] need at least one action and one resource."
  }

  validation {
    condition     = alltrue([for grant in values(var.grants) : !contains(grant.resources, "*") || try(length(grant.why_all_resources), 0) > 10])
    error_message = "grants[*].resources is \"*\" without why_all_resources: name the resources, or write down why the actions know none."
  }
}

variable "handler" {
  description = "What to call in the package, like `handler.handler`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_./-]+\\.[A-Za-z0-9_]+$", var.handler))
    error_message = "handler must be <module>.<function>."
  }
}

variable "invoke_permissions" {
  description = "AWS services that may call the function, by statement name. `service` is the short principal (`s3`, `sns`, `events`); `source_account` is needed where the ARN holds no account, as for buckets."
  type = map(object({
    service        = string
    source_arn     = string
    source_account = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.invoke_permissions) : can(regex("^[A-Za-z0-9_-]{1,100}$", name))])
    error_message = "invoke_permissions are named with letters, digits, hyphens and underscores."
  }

  validation {
    condition     = alltrue([for p in values(var.invoke_permissions) : can(regex("^[a-z0-9-]+$", p.service))])
    error_message = "invoke_permissions[*].service is the short name of a service, like \"s3\" (without .amazonaws.com)."
  }

  validation {
    condition     = alltrue([for p in values(var.invoke_permissions) : p.service != "s3" || p.source_account != null])
    error_message = "invoke_permissions[*] for s3 need source_account: the ARN of a bucket doesn't say whose it is."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts environment, log group and dead-letter queue. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "layers" {
  description = "ARNs of layer versions, in the order in which they are laid over each other."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layers) <= 5
    error_message = "layers can't be more than five."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "memory_mb" {
  description = "Memory; processor power grows with it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "memory_mb must be between 128 and 10240."
  }
}

variable "name" {
  description = "Full name of the function; role, queue and alarms are named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,59}$", var.name))
    error_message = "name must be 3 to 59 letters, digits, hyphens or underscores (\"-role\" is added for the role)."
  }
}

variable "package_bucket" {
  description = "Bucket that the package goes through, needed over 50 MB, and the key of that bucket where it isn't `kms_key_arn`. Null uploads the file to Lambda directly."
  type = object({
    name        = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "package_bytes" {
  description = "Size of the package, so that one too large for a direct upload is refused before anything is made. 0 skips the check."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.package_bytes <= 52428800 || var.package_bucket != null
    error_message = "The package is over 50 MB (52428800 bytes), which Lambda doesn't take directly: set package_bucket."
  }
}

variable "package_path" {
  description = "Path of the zip."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.package_path, ".zip")
    error_message = "package_path must name a .zip file."
  }
}

variable "package_sha256" {
  description = "SHA-256 of the zip in base64, as Lambda reports it: a new value deploys the package."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package_sha256))
    error_message = "package_sha256 must be the base64 form of a SHA-256 (44 characters), as filebase64sha256() gives it."
  }
}

variable "reserved_concurrency" {
  description = "Calls that may run at once, taken out of the account's share. -1 uses what the account has left, 0 stops the function."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.reserved_concurrency >= -1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency must be -1, 0 or a whole number above."
  }
}

variable "runtime" {
  description = "Lambda runtime."
  type        = string
  default     = "python3.11"
  nullable    = false

  validation {
    condition     = can(regex("^(python3\\.1[1-9]|nodejs2[0-9]\\.x|java(17|21|25)|provided\\.al2023)$", var.runtime))
    error_message = "runtime must be a supported one: python3.11 and later, nodejs20.x and later, java17/21/25, provided.al2023."
  }
}

variable "security_group_ids" {
  description = "Security groups of the function inside the VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = (length(var.security_group_ids) > 0) == (length(var.subnet_ids) > 0)
    error_message = "subnet_ids and security_group_ids go together: both empty, or both set."
  }
}

variable "subnet_ids" {
  description = "Private subnets to run in. Empty runs outside any VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "timeout_s" {
  description = "Seconds after which a call is stopped."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "timeout_s must be between 1 and 900."
  }
}

variable "tracing" {
  description = "Whether calls are traced with X-Ray."
  type        = bool
  default     = true
  nullable    = false
}
