variable "access_log_bucket" {
  description = "Bucket that takes the access log of the avatar bucket."
  type        = string
  nullable    = false
}

variable "avatar_readers" {
  description = "Who may read avatars: IAM members like `group:support@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.avatar_readers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "avatar_readers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "avatar_writers" {
  description = "Who may write avatars: IAM members. The API itself never touches them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.avatar_writers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "avatar_writers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "backup_retention_days" {
  description = "Days that the daily backup of the users is kept, 1 to 98."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 98
    error_message = "backup_retention_days must be between 1 and 98."
  }
}

variable "concurrency" {
  description = "Requests that one instance handles at once."
  type        = number
  default     = 40
  nullable    = false

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000
    error_message = "concurrency must be between 1 and 1000."
  }
}

variable "deletion_protection" {
  description = "Whether database, secret, services and a bucket that holds avatars are kept from being deleted. Without it, all goes with a destroy."
  type        = bool
  default     = true
  nullable    = false
}

variable "domain" {
  description = "The public name that clients use, such as `users.example.com`; its A record is yours to set."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]{2,}$", var.domain)) && length(var.domain) <= 64
    error_message = "domain must be a full name in lower case, without https:// and final dot, of at most 64 characters."
  }
}

variable "image" {
  description = "The container that answers the API, by digest, so that both regions run the same: `<registry>/<name>@sha256:…`. What it has to do is in the README."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must end in @sha256: and 64 hexadecimal digits: a tag can lead elsewhere tomorrow."
  }
}

variable "invokers" {
  description = "Who may call the API, with an ID token: IAM members like `serviceAccount:web@….iam.gserviceaccount.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "invokers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "kms_key" {
  description = "Cloud KMS key of database and avatars, in the location `europe` for EU, `us` for US: `projects/…/locations/…/keyRings/…/cryptoKeys/…`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must be projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>."
  }

  validation {
    condition     = try(split("/", var.kms_key)[3], "") == local.multi_region.kms
    error_message = "kms_key must lie where the data does: Cloud KMS calls EU europe, and US us."
  }
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

variable "max_instances" {
  description = "Most instances in each region: bounds what a flood costs."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_instances >= max(1, var.min_instances) && var.max_instances <= 1000
    error_message = "max_instances must be between 1 and 1000, and not less than min_instances."
  }
}

variable "min_instances" {
  description = "Instances in each region that wait for requests; with 0 the first request after a pause, or after the other region failed, waits for a start."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.min_instances >= 0
    error_message = "min_instances must be 0 or more."
  }
}

variable "multi_region" {
  description = "The part of the world that holds the data: `EU` (Firestore: eur3) or `US` (nam5). It can't be changed later."
  type        = string
  default     = "EU"
  nullable    = false

  validation {
    condition     = contains(["EU", "US"], var.multi_region)
    error_message = "multi_region must be EU or US: Firestore spans no other regions."
  }
}

variable "name" {
  description = "Name of the platform, which its parts carry; the bucket is `<name>-avatars-<project_number>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name)) && !strcontains(var.name, "goog")
    error_message = "name must be 6 to 30 lower-case letters, digits and hyphens, starting with a letter, without goog."
  }
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that take the alerts: `projects/…/notificationChannels/…`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.notification_channels) > 0 && alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "notification_channels must name one or more as projects/<project>/notificationChannels/<number>: an alert that nobody gets is none."
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

variable "regions" {
  description = "The two regions, both in `multi_region`, each with the Cloud KMS key there that encrypts the region's replica of the secret."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.regions) == 2 && alltrue([for region in keys(var.regions) : startswith(region, local.multi_region.regions)])
    error_message = "regions must be two, in multi_region: europe-… for EU, us-… for US."
  }

  validation {
    condition     = alltrue([for region, key in var.regions : can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", key)) && try(split("/", key)[3], "") == region])
    error_message = "regions must name for each a key in that region: projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>."
  }
}
