variable "activities" {
  description = "The pipeline's activities, as JSON: a list as the Data Factory's own editor shows it."
  type        = string
  nullable    = false

  validation {
    condition     = can([for activity in jsondecode(var.activities) : "${activity.name} ${activity.type}"])
    error_message = "activities must be a JSON list of activities, each with a name and a type."
  }

  validation {
    condition = length(setsubtract(
      try(flatten([for activity in jsondecode(var.activities) : [for needed in try(activity.dependsOn, []) : needed.activity]]), []),
      try([for activity in jsondecode(var.activities) : activity.name], []),
    )) == 0
    error_message = "dependsOn must name other activities of the pipeline."
  }
}

variable "alert_action_group_id" {
  description = "Resource ID of the action group that is told when the pipeline fails. Null keeps the alert without a receiver."
  type        = string
  default     = null
}

variable "datasets" {
  description = "Datasets by name: `type` such as `Binary` or `Parquet`, its `typeProperties` as JSON, and the lake or linked service that holds it."
  type = map(object({
    linked_service = string
    properties     = string
    type           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for dataset in var.datasets : can(keys(jsondecode(dataset.properties)))])
    error_message = "properties of a dataset must be a JSON object."
  }

  validation {
    condition     = alltrue([for dataset in var.datasets : contains(concat(keys(var.lakes), keys(var.linked_services)), dataset.linked_service)])
    error_message = "linked_service of a dataset must be one of lakes or linked_services."
  }
}

variable "description" {
  description = "What the pipeline does."
  type        = string
  nullable    = false
}

variable "key_url" {
  description = "Address of the key that encrypts the factory, without a version, so that rotated ones are taken: `https://<vault>.vault.azure.net/keys/<name>`."
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

variable "key_vaults" {
  description = "Key Vaults by name, each with its resource ID and the secrets in it that linked services refer to; they must use roles (RBAC)."
  type = map(object({
    id      = string
    secrets = set(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for vault in var.key_vaults : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", vault.id))])
    error_message = "The id of a vault must be /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.KeyVault/vaults/<name>."
  }

  validation {
    condition     = length(setintersection(keys(var.key_vaults), concat(keys(var.lakes), keys(var.linked_services)))) == 0
    error_message = "A vault can't have the name of a lake or of a linked service."
  }
}

variable "lakes" {
  description = "Data lakes by name, as the outputs of adls_container tell them; the factory reaches them privately, as its own identity. `write` allows more than reading."
  type = map(object({
    account_id   = string
    container_id = string
    dfs_endpoint = string
    write        = optional(bool, false)
  }))
  default  = {}
  nullable = false
}

variable "linked_services" {
  description = "Other sources and sinks by name: `type` such as `AmazonS3` or `GoogleBigQueryV2`, and its `typeProperties` as JSON. Secrets are references to a Key Vault."
  type = map(object({
    properties = string
    type       = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for service in var.linked_services : can(keys(jsondecode(service.properties)))])
    error_message = "properties of a linked service must be a JSON object."
  }

  validation {
    condition     = alltrue([for service in var.linked_services : !strcontains(service.properties, "SecureString")])
    error_message = "A linked service holds no secret: refer to one in a Key Vault (AzureKeyVaultSecret) instead of a SecureString."
  }

  validation {
    condition     = length(setintersection(keys(var.linked_services), keys(var.lakes))) == 0
    error_message = "A linked service can't have the name of a lake."
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
  description = "Resource ID of the Log Analytics workspace that is told of every run."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the factory, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 63
    error_message = "name must be 3 to 63 letters, digits and single hyphens."
  }
}

variable "parameters" {
  description = "Parameters of the pipeline, with their defaults."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "pipeline" {
  description = "Name of the pipeline."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,139}$", var.pipeline))
    error_message = "pipeline must be up to 140 letters, digits, hyphens and underscores."
  }
}

variable "resource_group" {
  description = "Resource group that everything is made in."
  type        = string
  nullable    = false
}

variable "schedule" {
  description = "When it runs: every `interval` of `frequency` (Minute, Hour, Day, Week or Month), from `start_time` on, at `hours` and `minutes`. Null leaves the start to others."
  type = object({
    frequency  = optional(string, "Day")
    hours      = optional(list(number), [])
    interval   = optional(number, 1)
    minutes    = optional(list(number), [0])
    parameters = optional(map(string))
    start_time = optional(string)
    time_zone  = optional(string, "UTC")
  })
  default = null

  validation {
    condition     = contains(["Day", "Hour", "Minute", "Month", "Week"], try(var.schedule.frequency, "Day"))
    error_message = "schedule.frequency must be Minute, Hour, Day, Week or Month."
  }

  validation {
    condition     = length(setsubtract(keys(try(coalesce(var.schedule.parameters, {}), {})), keys(var.parameters))) == 0
    error_message = "schedule.parameters must be parameters of the pipeline."
  }

  validation {
    condition     = alltrue([for hour in try(var.schedule.hours, []) : hour >= 0 && hour <= 23]) && alltrue([for minute in try(var.schedule.minutes, []) : minute >= 0 && minute <= 59])
    error_message = "schedule.hours must be 0 to 23, schedule.minutes 0 to 59."
  }
}

variable "tags" {
  description = "Tags on everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
