variable "account_id" {
  description = "AWS account whose S3 may deliver logs."
  type        = string
  nullable    = false
}

variable "force_destroy" {
  description = "Delete the bucket even when logs are left in it."
  type        = bool
  nullable    = false
}

variable "name" {
  description = "Name of the bucket."
  type        = string
  nullable    = false
}

variable "retention_days" {
  description = "Days that a log is kept."
  type        = number
  nullable    = false
}
