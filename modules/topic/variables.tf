variable "allowed_publishers" {
  description = "AWS services that may publish, each bound to the resource it publishes for (`*` is allowed inside the ARN). `service` is the short principal: `cloudwatch`, `s3`, `events`."
  type = list(object({
    service    = string
    source_arn = string
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for p in var.allowed_publishers : can(regex("^[a-z0-9-]+$", p.service))])
    error_message = "allowed_publishers[*].service is the short name of a service, like \"cloudwatch\" (without .amazonaws.com)."
  }

  validation {
    condition     = alltrue([for p in var.allowed_publishers : startswith(p.source_arn, "arn:")])
    error_message = "allowed_publishers[*].source_arn must be an ARN: a service that may publish for anybody is a confused deputy."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the messages. Its policy must let every service in `allowed_publishers` use it."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Full name of the topic."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,256}$", var.name))
    error_message = "name must be 3 to 256 letters, digits, hyphens or underscores."
  }
}

variable "subscriptions" {
  description = "Who receives the messages, by name. `raw` hands queues the message as published, without the SNS envelope; `filter_policy` is a JSON document over message attributes."
  type = map(object({
    protocol      = string
    endpoint      = string
    filter_policy = optional(string)
    raw           = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for s in values(var.subscriptions) : contains(["sqs", "lambda", "firehose", "https", "email", "sms"], s.protocol)])
    error_message = "subscriptions[*].protocol must be sqs, lambda, firehose, https, email or sms (plain http is refused)."
  }

  validation {
    condition     = alltrue([for s in values(var.subscriptions) : !s.raw || contains(["sqs", "firehose", "https"], s.protocol)])
    error_message = "subscriptions[*].raw works for sqs, firehose and https only."
  }
}
