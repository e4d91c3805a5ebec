variable "access_log_bucket" {
  description = "Bucket of this region that takes the access logs, such as another object_store's `access_log_bucket`. Null makes one, `<name>-logs`."
  type        = object({ name = string })
  default     = null
}

variable "access_log_retention_days" {
  description = "Days that access logs are kept in the bucket made for them; without effect when `access_log_bucket` is given."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.access_log_retention_days >= 1
    error_message = "access_log_retention_days must be at least 1."
  }
}

variable "account_id" {
  description = "AWS account that owns the bucket: only its S3 may deliver logs and notifications."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "force_destroy" {
  description = "Delete the bucket even when objects are left in it. For trials; what is deleted this way can't be had back."
  type        = bool
  default     = false
  nullable    = false
}

variable "function_notifications" {
  description = "Lambda functions told about events in the bucket, by a name for the notification. Prefixes and suffixes of one event must not overlap."
  type = map(object({
    events       = optional(list(string), ["s3:ObjectCreated:*"])
    function_arn = string
    prefix       = optional(string, "")
    suffix       = optional(string, "")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for notification in var.function_notifications : [for event in notification.events : startswith(event, "s3:")]]))
    error_message = "events are S3 event types such as 's3:ObjectCreated:*'."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts every object; writes with another key are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not its id or alias): arn:aws:kms:<region>:<account>:key/<id>."
  }
}

variable "lifecycle_rules" {
  description = "What happens to objects under a prefix as they age, by a name for the rule: moved to cheaper storage classes, then deleted."
  type = map(object({
    expire_after_days = optional(number)
    prefix            = optional(string, "")
    transitions = optional(list(object({
      after_days    = number
      storage_class = string
    })), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.expire_after_days != null || length(rule.transitions) > 0])
    error_message = "A lifecycle rule must expire or move objects: give expire_after_days or transitions."
  }

  validation {
    condition = alltrue(flatten([
      for rule in var.lifecycle_rules : [
        for transition in rule.transitions :
        contains(["DEEP_ARCHIVE", "GLACIER", "GLACIER_IR", "INTELLIGENT_TIERING", "ONEZONE_IA", "STANDARD_IA"], transition.storage_class)
      ]
    ]))
    error_message = "storage_class must be STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER or DEEP_ARCHIVE."
  }

  validation {
    condition     = !contains(keys(var.lifecycle_rules), "housekeeping")
    error_message = "The rule name 'housekeeping' is taken by the module's own rule."
  }
}

variable "name" {
  description = "Name of the bucket, unique in the whole partition. At most 58 characters when the bucket for access logs is made too."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits or hyphens (no dots: they break TLS), not beginning or ending with a hyphen."
  }

  validation {
    condition     = var.access_log_bucket != null || length(var.name) <= 58
    error_message = "name must be at most 58 characters, so that '<name>-logs' is a bucket name too."
  }
}

variable "noncurrent_version_days" {
  description = "Days that a superseded or deleted version is kept: how long a mistake can be undone."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1
    error_message = "noncurrent_version_days must be at least 1."
  }
}

variable "policy_documents" {
  description = "JSON policy documents with further statements for the bucket policy. The module's denials hold beside them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for document in var.policy_documents : can(jsondecode(document).Statement)])
    error_message = "policy_documents must be JSON policies with a Statement."
  }
}

variable "queue_notifications" {
  description = "SQS queues told about events in the bucket, by a name for the notification. The queue's policy must let S3 send to it."
  type = map(object({
    events    = optional(list(string), ["s3:ObjectCreated:*"])
    prefix    = optional(string, "")
    queue_arn = string
    suffix    = optional(string, "")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for notification in var.queue_notifications : [for event in notification.events : startswith(event, "s3:")]]))
    error_message = "events are S3 event types such as 's3:ObjectCreated:*'."
  }
}

variable "tags" {
  description = "Further tags of the bucket itself. The bucket made for its access logs has none of them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "versioning" {
  description = "Keep superseded and deleted versions. Replication needs it; switching it off only suspends it."
  type        = bool
  default     = true
  nullable    = false
}
