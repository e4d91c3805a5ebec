variable "account_id" {
  description = "AWS account of the experiments: the service may take the role only on its behalf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "bucket_arns" {
  description = "Buckets whose replication may be paused, as sources."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.bucket_arns : can(regex("^arn:[^:*]+:s3:::[^*/]+$", arn))])
    error_message = "bucket_arns must be ARNs of single buckets, without a path or a wildcard."
  }
}

variable "name" {
  description = "Full name of the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits or any of '+=,.@_-'."
  }
}

variable "table_arns" {
  description = "Tables whose replication may be paused: one ARN for each replica."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.table_arns : can(regex("^arn:[^:*]+:dynamodb:[^:*]+:[0-9]{12}:table/[^*/]+$", arn))])
    error_message = "table_arns must be ARNs of single tables, each with its region and account, without a wildcard."
  }

  validation {
    condition     = length(var.table_arns) + length(var.bucket_arns) > 0
    error_message = "table_arns and bucket_arns are both empty: a role that may do nothing is a mistake."
  }
}
