variable "alarm_topic_arn" {
  description = "Topic that the alarms on errors and on silence tell. Null tells nobody."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor that the image is built for: ARM64 or X86_64."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "architecture must be ARM64 or X86_64."
  }
}

variable "cpu" {
  description = "Processor of the task: 256, 512, 1024, 2048 or 4096 (1024 is one vCPU)."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "dead_letter" {
  description = "Queue that keeps runs which could not be started, and the key of that queue where it isn't `kms_key_arn`."
  type = object({
    queue_arn   = string
    kms_key_arn = optional(string)
  })
  nullable = false
}

variable "enabled" {
  description = "Whether the schedules run."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the container. No secrets: they can be read by whoever may describe the task."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "environment has names like COMET_BUCKET."
  }

  validation {
    condition = alltrue([
      for name in keys(var.environment) :
      !can(regex("PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY|CREDENTIAL", name)) || can(regex("_(ARN|ID|NAME|URL|PATH)$", name))
    ])
    error_message = "environment holds no secret: name the ARN of one instead, in a variable like DB_SECRET_ARN."
  }
}

variable "error_pattern" {
  description = "Log lines that are errors, as a filter pattern of CloudWatch Logs."
  type        = string
  default     = "{ $.level = \"error\" }"
  nullable    = false
}

variable "grants" {
  description = "What the container may do, by name: `{ read_landing = { actions = [\"s3:GetObject\"], resources = [\"<bucket arn>/*\"] } }`. Actions are spelt out, without wildcards; resources are named."
  type = map(object({
    actions   = list(string)
    resources = list(string)
  }))
  nullable = false

  validation {
    condition     = length(var.grants) > 0 && alltrue([for name in keys(var.grants) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "grants are at least one, named in lower case, like read_landing."
  }

  validation {
    condition     = alltrue(flatten([for grant in values(var.grants) : [for action in grant.actions : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))]]))
    error_message = "grants[*].actions are spelt out like s3:GetObject: no wildcards."
  }

  validation {
    condition     = alltrue([for grant in values(var.grants) : length(grant.actions) > 0 && length(grant.resources) > 0 && !contains(grant.resources, "*")])
    error_message = "grants[*] need at least one action and one resource, and \"*\" is none: name it."
  }
}

variable "heartbeat_pattern" {
  description = "A log line that a run writes at its end: without one for a day the alarm on silence goes off."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Image in ECR, pinned by its digest: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<digest>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be in ECR and pinned by its digest, not by a tag that can move."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts logs and schedules. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
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
  description = "Memory of the task: 512 to 30720 MB; which go with which `cpu` is Fargate's own rule."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.memory_mb >= 512 && var.memory_mb <= 30720
    error_message = "memory_mb must be between 512 and 30720."
  }
}

variable "name" {
  description = "Full name of the task; cluster, roles, schedules and alarms are named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 50
    error_message = "name must be up to 50 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "schedules" {
  description = "When it runs with which command, by name: `{ nightly = { expression = \"cron(45 2 * * ? *)\", command = [\"nightly\"] } }`. Two of them may run at once."
  type = map(object({
    command     = list(string)
    description = optional(string, "")
    expression  = string
    timezone    = optional(string, "UTC")
  }))
  nullable = false

  validation {
    condition     = length(var.schedules) > 0 && alltrue([for name in keys(var.schedules) : can(regex("^[a-z][a-z0-9-]{0,12}$", name))])
    error_message = "schedules are at least one, with names of up to 13 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for each in values(var.schedules) : can(regex("^(rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)|cron\\(\\S+( \\S+){5}\\))$", each.expression))])
    error_message = "schedules[*].expression must be rate(<n> minutes|hours|days) or cron(<six fields>)."
  }

  validation {
    condition     = alltrue([for each in values(var.schedules) : length(each.command) > 0])
    error_message = "schedules[*].command must hold at least one word."
  }
}

variable "security_group_ids" {
  description = "Security groups of the task."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids must be one or more."
  }
}

variable "subnet_ids" {
  description = "Private subnets that the task runs in; they need a way to ECR, S3 and CloudWatch Logs."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must be one or more."
  }
}

variable "user" {
  description = "Numeric user (and group) that the container runs as; never root."
  type        = string
  default     = "10001:10001"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*(:[1-9][0-9]*)?$", var.user))
    error_message = "user must be a number other than 0, such as \"10001:10001\"."
  }
}
