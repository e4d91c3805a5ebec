variable "attributes" {
  description = "Types of the key attributes, of the table and of its indexes, by name: `S` (string), `N` (number) or `B` (binary)."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for type in values(var.attributes) : contains(["B", "N", "S"], type)])
    error_message = "The type of an attribute must be S, N or B."
  }

  validation {
    condition = toset(keys(var.attributes)) == toset(compact(concat(
      [var.hash_key, var.range_key],
      flatten([for index in var.indexes : [index.hash_key, index.range_key]]),
    )))
    error_message = "attributes must hold the keys of the table and of its indexes, all of them and nothing else."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the table until this is switched off."
  type        = bool
  default     = true
  nullable    = false
}

variable "hash_key" {
  description = "Attribute that spreads items over partitions."
  type        = string
  nullable    = false
}

variable "indexes" {
  description = "Global secondary indexes by name, each holding whole items."
  type = map(object({
    hash_key  = string
    range_key = optional(string)
  }))
  default  = {}
  nullable = false
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts the table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not its id or alias): arn:aws:kms:<region>:<account>:key/<id>."
  }
}

variable "name" {
  description = "Name of the table, the same in every region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.name))
    error_message = "name must be 3 to 255 letters, digits, '_', '.' or '-'."
  }
}

variable "pitr" {
  description = "Keep continuous backups, in every region, to restore the table as it was at any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "range_key" {
  description = "Attribute that orders the items of one hash key. Null for a table without."
  type        = string
  default     = null
}

variable "replicas" {
  description = "Further regions that hold the table and take writes (a global table), each with the ARN of the key that encrypts it there."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for region in keys(var.replicas) : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "replicas are keyed by region, such as 'eu-west-1'."
  }
}

variable "stream" {
  description = "Publish every change with the item before and after. On in any case where there are replicas."
  type        = bool
  default     = false
  nullable    = false
}

variable "ttl_attribute" {
  description = "Attribute with the time (epoch seconds) after which an item is deleted. Null keeps all items."
  type        = string
  default     = null
}
