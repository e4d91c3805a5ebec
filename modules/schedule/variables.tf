variable "dead_letter" {
  description = "Queue that keeps runs which never reached the target, and the key of that queue where it isn't `kms_key_arn`. Null drops them."
  type = object({
    queue_arn   = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "description" {
  description = "What the schedule is for."
  type        = string
  default     = ""
  nullable    = false
}

variable "enabled" {
  description = "Whether the schedule runs."
  type        = bool
  default     = true
  nullable    = false
}

variable "expression" {
  description = "When to run: `rate(1 day)`, `cron(0 3 * * ? *)` or `at(2030-01-01T00:00:00)`."
  type        = string
  nullable    = false

  validation {
    condition = anytrue([
      can(regex("^rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)$", var.expression)),
      can(regex("^cron\\(\\S+( \\S+){5}\\)$", var.expression)),
      can(regex("^at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\)$", var.expression)),
    ])
    error_message = "expression must be rate(<n> minutes|hours|days), cron(<six fields>) or at(yyyy-mm-ddThh:mm:ss)."
  }
}

variable "flexible_window_minutes" {
  description = "Minutes within which a run may start late, which spreads load; 0 starts on time."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.flexible_window_minutes >= 0 && var.flexible_window_minutes <= 1440
    error_message = "flexible_window_minutes must be between 0 and 1440."
  }
}

variable "input" {
  description = "JSON handed to the target on every run."
  type        = string
  default     = "{}"
  nullable    = false

  validation {
    condition     = can(jsondecode(var.input))
    error_message = "input must be JSON text, for example jsonencode({ task = \"sweep\" })."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the schedule and its input."
  type        = string
  nullable    = false
}

variable "max_event_age_s" {
  description = "Seconds after which a run that could not be delivered is given up."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_event_age_s >= 60 && var.max_event_age_s <= 86400
    error_message = "max_event_age_s must be between 60 and 86400."
  }
}

variable "max_retries" {
  description = "Attempts to deliver a run after the first one failed."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 185
    error_message = "max_retries must be between 0 and 185."
  }
}

variable "name" {
  description = "Full name of the schedule; its role is `<name>-schedule`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,55}$", var.name))
    error_message = "name must be 3 to 55 letters, digits, hyphens, dots or underscores (\"-schedule\" is added for the role)."
  }
}

variable "target_arn" {
  description = "What to call: a Lambda function, SQS queue, SNS topic or Step Functions state machine."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:(lambda|sns|sqs|states):[^:]+:[0-9]{12}:.+$", var.target_arn))
    error_message = "target_arn must be the ARN of a Lambda function, SQS queue, SNS topic or Step Functions state machine."
  }
}

variable "timezone" {
  description = "Time zone that `cron` and `at` are read in."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^(UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)$", var.timezone))
    error_message = "timezone must be UTC or an IANA name like Europe/Berlin."
  }
}
