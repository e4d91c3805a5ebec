variable "account_id" {
  description = "Account that the queue is made in. Null takes the account of `kms_key_arn`."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "allowed_publishers" {
  description = "AWS services that may send to the queue, each bound to the one resource it sends for. `service` is the short principal: `sns`, `s3`, `events`."
  type = list(object({
    service    = string
    source_arn = string
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for p in var.allowed_publishers : can(regex("^[a-z0-9-]+$", p.service))])
    error_message = "allowed_publishers[*].service is the short name of a service, like \"sns\" (without .amazonaws.com)."
  }
}

variable "delay_s" {
  description = "Seconds that a new message stays invisible."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.delay_s >= 0 && var.delay_s <= 900
    error_message = "delay_s must be between 0 and 900."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the messages. Its policy must let every service in `allowed_publishers` use it."
  type        = string
  nullable    = false
}

variable "max_receive_count" {
  description = "Deliveries before a message moves to the dead-letter queue."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000
    error_message = "max_receive_count must be between 1 and 1000."
  }
}

variable "name" {
  description = "Full name of the queue; its dead-letter queue is `<name>-dlq`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,76}$", var.name))
    error_message = "name must be 3 to 76 letters, digits, hyphens or underscores (\"-dlq\" is added for the dead-letter queue)."
  }
}

variable "retention_s" {
  description = "Seconds that an unread message is kept. The dead-letter queue always keeps 14 days."
  type        = number
  default     = 345600
  nullable    = false

  validation {
    condition     = var.retention_s >= 60 && var.retention_s <= 1209600
    error_message = "retention_s must be between 60 (a minute) and 1209600 (14 days)."
  }
}

variable "visibility_timeout_s" {
  description = "Seconds that a received message stays hidden; six times the timeout of a function that reads the queue."
  type        = number
  default     = 180
  nullable    = false

  validation {
    condition     = var.visibility_timeout_s >= 0 && var.visibility_timeout_s <= 43200
    error_message = "visibility_timeout_s must be between 0 and 43200."
  }
}
