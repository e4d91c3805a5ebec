variable "account_id" {
  description = "AWS account that owns all of it: AWS Backup may take the role only on its behalf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics, in the region of provider `aws.source`, told about a day without a backup and about copies that failed."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.alarm_topic_arns) > 0
    error_message = "alarm_topic_arns must name at least one topic: backups that stop are noticed by nobody."
  }
}

variable "bucket_arns" {
  description = "ARNs of the buckets to back up. Versioning must be on, and EventBridge told about their objects."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.bucket_arns) + length(var.table_arns) > 0
    error_message = "bucket_arns or table_arns must name something: a plan without resources runs every day and saves nothing."
  }
}

variable "copy" {
  description = "The copies, in the region of provider `aws.copy`: the key of that region that encrypts them, and how long each is kept."
  type = object({
    kms_key_arn    = string
    retention_days = optional(number, 35)
  })
  nullable = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.copy.kms_key_arn))
    error_message = "copy.kms_key_arn must be the ARN of a key (not its id or alias): arn:aws:kms:<region>:<account>:key/<id>."
  }

  validation {
    condition     = var.copy.retention_days >= 1 && floor(var.copy.retention_days) == var.copy.retention_days
    error_message = "copy.retention_days must be a whole number of days, at least 1."
  }

  validation {
    condition     = split(":", var.copy.kms_key_arn)[3] != split(":", var.kms_key_arn)[3]
    error_message = "copy.kms_key_arn must be a key of another region than kms_key_arn: a copy in the same region is lost with it."
  }
}

variable "force_destroy" {
  description = "Delete the vaults with all backups in them. For trials; what is deleted this way can't be had back."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts the vault in the region of provider `aws.source`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not its id or alias): arn:aws:kms:<region>:<account>:key/<id>."
  }
}

variable "lock" {
  description = "Lock both vaults: no backup goes before `min_retention_days`. With `changeable_for_days` (3 or more) the lock itself is for ever after so many days; without, who has the permission may lift it."
  type = object({
    changeable_for_days = optional(number)
    max_retention_days  = optional(number)
    min_retention_days  = number
  })
  default = null

  validation {
    condition     = var.lock == null ? true : coalesce(var.lock.changeable_for_days, 3) >= 3
    error_message = "lock.changeable_for_days must be at least 3."
  }

  validation {
    condition = var.lock == null ? true : alltrue([
      for days in [var.retention_days, var.copy.retention_days] :
      days >= var.lock.min_retention_days && days <= coalesce(var.lock.max_retention_days, days)
    ])
    error_message = "retention_days and copy.retention_days must lie within the lock's bounds: a locked vault refuses every other backup."
  }
}

variable "name" {
  description = "Name of the two vaults and of the plan, prefix of the role's and the alarms' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{2,50}$", var.name))
    error_message = "name must be 2 to 50 letters, digits, '_' or '-'."
  }
}

variable "retention_days" {
  description = "How many days a backup is kept in its own region."
  type        = number
  default     = 35
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number of days, at least 1."
  }
}

variable "schedule" {
  description = "When the daily backup begins, as a cron expression in UTC."
  type        = string
  default     = "cron(0 3 * * ? *)"
  nullable    = false

  validation {
    condition     = can(regex("^cron\\([0-9]{1,2} [0-9]{1,2} \\* \\* \\? \\*\\)$", var.schedule))
    error_message = "schedule must be once a day, such as 'cron(0 3 * * ? *)': the alarm expects a backup each day."
  }
}

variable "source_kms_key_arns" {
  description = "ARNs of the keys that encrypt the tables and buckets, where it isn't `kms_key_arn`."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "table_arns" {
  description = "ARNs of the DynamoDB tables to back up."
  type        = list(string)
  default     = []
  nullable    = false
}
