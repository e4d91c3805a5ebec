variable "description" {
  description = "What the secret opens, and for whom."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.description) > 0
    error_message = "description must not be empty."
  }
}

variable "generate" {
  description = "How Secrets Manager draws the value: plain, or as `json_key` of a JSON object beside `json_fields`. Without effect when `value` is given."
  type = object({
    exclude_characters = optional(string, "\"'/\\@")
    json_fields        = optional(map(string), {})
    json_key           = optional(string)
    length             = optional(number, 32)
    punctuation        = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.generate.length >= 16 && var.generate.length <= 4096
    error_message = "generate.length must be between 16 and 4096."
  }

  validation {
    condition     = var.generate.json_key != null || length(var.generate.json_fields) == 0
    error_message = "generate.json_fields needs generate.json_key, the field that takes the drawn value."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts the secret."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not its id or alias): arn:aws:kms:<region>:<account>:key/<id>."
  }
}

variable "name" {
  description = "Name of the secret. A deleted name can't be used again until its recovery window has passed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_+=.@-]{1,512}$", var.name)) && !can(regex("-[a-zA-Z0-9]{6}$", var.name))
    error_message = "name must be letters, digits or any of '/_+=.@-', and must not end in a hyphen and six characters: it looks like the suffix of an ARN."
  }
}

variable "recovery_window_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes it at once, for trials."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or between 7 and 30."
  }
}

variable "replicas" {
  description = "Regions that hold a read-only copy of the secret, each with the ARN of the key that encrypts it there."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for region in keys(var.replicas) : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "replicas are keyed by region, such as 'eu-west-1'."
  }
}

variable "rotation" {
  description = "Function that changes the value, here and in the service it opens, and how often. Null leaves the value until `value_version` changes."
  type = object({
    every_days   = optional(number, 30)
    function_arn = string
  })
  default = null

  validation {
    condition     = var.rotation == null ? true : var.rotation.every_days >= 1 && var.rotation.every_days <= 90
    error_message = "rotation.every_days must be between 1 and 90."
  }
}

variable "value" {
  description = "The value, instead of a drawn one. Never kept in plan or state; written when `value_version` changes."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = try(length(var.value) > 0, true)
    error_message = "value must not be empty."
  }
}

variable "value_version" {
  description = "Raise it to write `value`, or a newly drawn one."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.value_version >= 1 && floor(var.value_version) == var.value_version
    error_message = "value_version must be a whole number from 1 up."
  }
}
