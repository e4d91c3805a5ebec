variable "account_id" {
  description = "AWS account that owns the key: its IAM policies may administer it, and services may use it only on its behalf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "deletion_window_days" {
  description = "Days between the order to delete the key and its deletion, in which it can still be cancelled."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days must be between 7 and 30."
  }
}

variable "description" {
  description = "What the key protects, for the reader of the console and of the audit trail."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.description) > 0
    error_message = "description must not be empty."
  }
}

variable "multi_region" {
  description = "Make a multi-Region primary, so that replicas in other regions can decrypt the same ciphertext. Can't be changed later."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "Name of the alias, without `alias/`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_-]{1,250}$", var.name)) && !startswith(var.name, "aws/") && !startswith(var.name, "alias/")
    error_message = "name must be letters, digits, '/', '_' or '-', without the prefixes 'alias/' and 'aws/'."
  }
}

variable "replica_of" {
  description = "Make this key the replica, in this provider's region, of a multi-Region primary key. Null makes a primary."
  type        = object({ key_arn = string })
  default     = null

  validation {
    condition     = var.replica_of == null || !var.multi_region
    error_message = "A replica is multi-Region by nature: set either replica_of or multi_region."
  }

  validation {
    condition     = var.replica_of == null || can(regex(":key/mrk-", var.replica_of.key_arn))
    error_message = "replica_of.key_arn must be the ARN of a multi-Region key (its id starts with 'mrk-')."
  }
}

variable "services" {
  description = "AWS services that may use the key for this account, by the first label of their principal, such as `logs`, `s3`, `sns`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.services : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)?$", service)) && !endswith(service, "amazonaws.com")])
    error_message = "services are the first labels of service principals: write 'sns', not 'sns.amazonaws.com'."
  }
}
