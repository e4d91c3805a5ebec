variable "a" {
  description = "First bucket, in the region of provider `aws.a`: `name`, `arn` and the key that encrypts it. Versioning must be on."
  type = object({
    arn         = string
    kms_key_arn = string
    name        = string
  })
  nullable = false
}

variable "account_id" {
  description = "AWS account that owns both buckets: S3 may take the roles only on its behalf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "b" {
  description = "Second bucket, in the region of provider `aws.b`: `name`, `arn` and the key that encrypts it. Versioning must be on."
  type = object({
    arn         = string
    kms_key_arn = string
    name        = string
  })
  nullable = false

  validation {
    condition     = var.a.name != var.b.name
    error_message = "a and b must be two buckets: a bucket can't replicate to itself."
  }
}

variable "name" {
  description = "Prefix of the two roles' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,57}$", var.name))
    error_message = "name must be 1 to 57 letters, digits or any of '+=,.@_-', so that '<name>-a-to-b' is a role name."
  }
}
