variable "cold_after_days" {
  description = "Days without a change after which a file moves to the cold tier. Null for never."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.cold_after_days, 1) >= 1 && coalesce(var.cold_after_days, 100000) > coalesce(var.cool_after_days, 0)
    error_message = "cold_after_days must be 1 or more, and more than cool_after_days."
  }
}

variable "container" {
  description = "Name of the container, the file system of the lake."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.container)) && length(var.container) >= 3 && length(var.container) <= 63
    error_message = "container must be 3 to 63 lower-case letters, digits and single hyphens."
  }
}

variable "cool_after_days" {
  description = "Days without a change after which a file moves to the cool tier. Null for never."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.cool_after_days, 1) >= 1
    error_message = "cool_after_days must be 1 or more."
  }
}

variable "delete_after_days" {
  description = "Days without a change after which a file is deleted. Null for never."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.delete_after_days, 100000) > max(coalesce(var.cool_after_days, 0), coalesce(var.cold_after_days, 0))
    error_message = "delete_after_days must be more than cool_after_days and cold_after_days."
  }
}

variable "key_url" {
  description = "Address of the key that encrypts the account, without a version, so that rotated ones are taken: `https://<vault>.vault.azure.net/keys/<name>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://[a-zA-Z0-9-]+\\.vault\\.azure\\.net/keys/[a-zA-Z0-9-]+$", var.key_url))
    error_message = "key_url must be https://<vault>.vault.azure.net/keys/<name>, without a version."
  }
}

variable "key_vault_id" {
  description = "Resource ID of the vault that holds the key; it must use roles (RBAC), and be protected from purging."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", var.key_vault_id))
    error_message = "key_vault_id must be /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.KeyVault/vaults/<name>."
  }
}

variable "location" {
  description = "Azure region, such as `westeurope`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location must be a region's short name, such as westeurope."
  }
}

variable "log_analytics_workspace_id" {
  description = "Resource ID of the Log Analytics workspace that is told who read, wrote and deleted what."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the storage account, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.name))
    error_message = "name must be 3 to 24 lower-case letters and digits."
  }
}

variable "private_dns_zone_ids" {
  description = "Private DNS zones for the endpoints, by subresource: `blob` (privatelink.blob.core.windows.net) and `dfs` (privatelink.dfs.core.windows.net)."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.private_dns_zone_ids), ["blob", "dfs"])) == 0
    error_message = "private_dns_zone_ids takes blob and dfs."
  }
}

variable "readers" {
  description = "Who may read files: object IDs of groups, managed identities or service principals in Entra ID."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for principal in var.readers : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", principal))])
    error_message = "readers must be object IDs, such as 11111111-2222-3333-4444-555555555555."
  }
}

variable "replication" {
  description = "Where copies lie: `GRS` and `GZRS` add a second region to one or three zones, `RAGRS` and `RAGZRS` make the second readable."
  type        = string
  default     = "GZRS"
  nullable    = false

  validation {
    condition     = contains(["GRS", "GZRS", "RAGRS", "RAGZRS"], var.replication)
    error_message = "replication must be GRS, GZRS, RAGRS or RAGZRS."
  }
}

variable "resource_group" {
  description = "Resource group that everything is made in."
  type        = string
  nullable    = false
}

variable "soft_delete_days" {
  description = "Days that deleted files and containers can be restored."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 365
    error_message = "soft_delete_days must be between 7 and 365."
  }
}

variable "subnet_id" {
  description = "Resource ID of the subnet that gets the private endpoints: the only way in."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags on everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "writers" {
  description = "Who may write and delete files: object IDs in Entra ID."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for principal in var.writers : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", principal))])
    error_message = "writers must be object IDs, such as 11111111-2222-3333-4444-555555555555."
  }
}
