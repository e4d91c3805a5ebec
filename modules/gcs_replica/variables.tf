variable "access_log_bucket" {
  description = "Bucket that takes the access log, under the name of this one; another one than this."
  type        = string
  nullable    = false

  validation {
    condition     = var.access_log_bucket != var.name
    error_message = "access_log_bucket must be another bucket: one that logs to itself grows by its own log."
  }
}

variable "expiration_days" {
  description = "Days after which an object is deleted; 0 for never. It is kept as a version for `noncurrent_version_days` more."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.expiration_days >= 0 && (var.expiration_days == 0 || var.expiration_days >= var.retention_days)
    error_message = "expiration_days must be 0, or not less than retention_days."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket also deletes what it holds."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key" {
  description = "Cloud KMS key, in the location `europe` for EU, `us` for US, `asia` for ASIA: `projects/…/locations/…/keyRings/…/cryptoKeys/…`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must be projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>."
  }

  validation {
    condition     = try(split("/", var.kms_key)[3], "") == (var.multi_region == "EU" ? "europe" : lower(var.multi_region))
    error_message = "kms_key must lie where its bucket does: Cloud KMS calls EU europe, US us, and ASIA asia."
  }
}

variable "labels" {
  description = "Labels on the bucket."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", name)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, hyphens and underscores, names starting with a letter."
  }
}

variable "multi_region" {
  description = "The part of the world that holds the data: `EU`, `US` or `ASIA`."
  type        = string
  default     = "EU"
  nullable    = false

  validation {
    condition     = contains(["ASIA", "EU", "US"], var.multi_region)
    error_message = "multi_region must be EU, US or ASIA."
  }
}

variable "name" {
  description = "Name of the bucket, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.name)) && !strcontains(var.name, "google") && !startswith(var.name, "goog")
    error_message = "name must be 3 to 63 lower-case letters, digits, hyphens and underscores, without google."
  }
}

variable "noncurrent_version_days" {
  description = "Days that replaced and deleted objects are kept as versions."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1
    error_message = "noncurrent_version_days must be 1 or more."
  }
}

variable "project_id" {
  description = "Project that the bucket is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of that project, which the address of Cloud Storage's service agent is made from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits (not the project's ID)."
  }
}

variable "readers" {
  description = "Who may read objects: IAM members like `group:analysts@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.readers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "readers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "regions" {
  description = "The two regions that hold every object, both in `multi_region`; none leaves the choice to Google."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.regions) == 0 || (length(var.regions) == 2 && length(distinct(var.regions)) == 2)
    error_message = "regions must be two different ones, or none."
  }

  validation {
    condition     = alltrue([for region in var.regions : startswith(lower(region), lookup({ ASIA = "asia-", EU = "europe-" }, var.multi_region, "us-"))])
    error_message = "regions must lie in multi_region: europe-… for EU, us-… for US, asia-… for ASIA."
  }
}

variable "retention_days" {
  description = "Days during which no object can be deleted or replaced; 0 for none."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.retention_days >= 0 && var.retention_days <= 36500
    error_message = "retention_days must be between 0 and 36500."
  }
}

variable "retention_locked" {
  description = "Whether the retention is locked. That can never be undone: neither shortened, nor can the bucket go while it holds a younger object."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.retention_locked || var.retention_days > 0
    error_message = "retention_locked needs retention_days."
  }
}

variable "soft_delete_days" {
  description = "Days that a deleted object, or the whole bucket, can be restored."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "soft_delete_days must be between 7 and 90."
  }
}

variable "transitions" {
  description = "Cheaper storage classes for objects that grow old, with the age in days: `{ NEARLINE = 30, ARCHIVE = 365 }`."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for class, days in var.transitions : contains(["ARCHIVE", "COLDLINE", "NEARLINE"], class) && days >= 1])
    error_message = "transitions must lead to NEARLINE, COLDLINE or ARCHIVE, after 1 day or more."
  }
}

variable "turbo_replication" {
  description = "Whether new objects are in both regions within 15 minutes, which Google promises for a price; else most within an hour. Needs `regions`."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.turbo_replication || length(var.regions) == 2
    error_message = "turbo_replication needs two regions."
  }
}

variable "writers" {
  description = "Who may write objects: IAM members, best the `principalSet:` of a workload identity pool, so that no key exists."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.writers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "writers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}
