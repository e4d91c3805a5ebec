variable "access_log_bucket" {
  description = "Bucket that takes the access log of the avatar bucket."
  type        = string
  nullable    = false
}

variable "bucket_kms_key" {
  description = "Cloud KMS key of the bucket, in the location `europe` for EU, `us` for US: `projects/…/locations/…/keyRings/…/cryptoKeys/…`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.bucket_kms_key))
    error_message = "bucket_kms_key must be projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>."
  }

  validation {
    condition     = try(split("/", var.bucket_kms_key)[3], "") == (var.multi_region == "EU" ? "europe" : "us")
    error_message = "bucket_kms_key must lie where its bucket does: Cloud KMS calls EU europe, and US us."
  }
}

variable "dataset_kms_key" {
  description = "Cloud KMS key of the dataset, in the location `europe` for EU, `us` for US."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.dataset_kms_key))
    error_message = "dataset_kms_key must be projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>."
  }

  validation {
    condition     = try(split("/", var.dataset_kms_key)[3], "") == (var.multi_region == "EU" ? "europe" : "us")
    error_message = "dataset_kms_key must lie where its dataset does: Cloud KMS calls EU europe, and US us."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the table of changes."
  type        = bool
  default     = true
  nullable    = false
}

variable "force_destroy" {
  description = "Whether destroying also deletes what bucket and dataset hold."
  type        = bool
  default     = false
  nullable    = false
}

variable "labels" {
  description = "Labels on everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", name)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, hyphens and underscores, names starting with a letter."
  }
}

variable "multi_region" {
  description = "Where the data lies: `US` or `EU`. Bucket and dataset share it, so that one can be loaded into the other."
  type        = string
  default     = "EU"
  nullable    = false

  validation {
    condition     = contains(["EU", "US"], var.multi_region)
    error_message = "multi_region must be EU or US."
  }
}

variable "name" {
  description = "Name of the replica: the bucket is `<name>-avatars`, the dataset has underscores for hyphens."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,54}$", var.name))
    error_message = "name must be 3 to 55 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "noncurrent_version_days" {
  description = "Days that replaced and deleted avatars are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1
    error_message = "noncurrent_version_days must be 1 or more."
  }
}

variable "project_id" {
  description = "Project that everything is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of that project, which the addresses of Google's service agents are made from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits (not the project's ID)."
  }
}

variable "readers" {
  description = "Who may read avatars and users: IAM members like `group:analysts@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.readers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "readers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "regions" {
  description = "The two regions that hold every object, both in `multi_region`."
  type        = list(string)
  default     = ["europe-west1", "europe-west4"]
  nullable    = false

  validation {
    condition     = length(distinct(var.regions)) == 2 && length(var.regions) == 2
    error_message = "regions must be two different ones."
  }

  validation {
    condition     = alltrue([for region in var.regions : startswith(lower(region), var.multi_region == "EU" ? "europe-" : "us-")])
    error_message = "regions must lie in multi_region: europe-… for EU, us-… for US."
  }
}

variable "retention_days" {
  description = "Days during which no avatar can be deleted or replaced; 0 for none, as long as users may change theirs."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.retention_days >= 0 && var.retention_days <= 36500
    error_message = "retention_days must be between 0 and 36500."
  }
}

variable "soft_delete_days" {
  description = "Days that a deleted avatar, or the whole bucket, can be restored."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "soft_delete_days must be between 7 and 90."
  }
}

variable "writers" {
  description = "Who copies: IAM members, best the `principalSet:` of a workload identity pool that trusts the AWS role of the replication, so that no key exists."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.writers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "writers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}
