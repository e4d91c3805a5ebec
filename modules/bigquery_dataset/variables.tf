variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the tables."
  type        = bool
  default     = true
  nullable    = false
}

variable "description" {
  description = "What the dataset holds."
  type        = string
  nullable    = false
}

variable "force_destroy" {
  description = "Whether destroying the dataset also deletes tables that Terraform didn't make."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key" {
  description = "Cloud KMS key in the dataset's location (`europe` for EU, `us` for US): `projects/…/locations/…/keyRings/…/cryptoKeys/…`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must be projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>."
  }

  validation {
    condition     = try(split("/", var.kms_key)[3], "") == (var.location == "EU" ? "europe" : lower(var.location))
    error_message = "kms_key must lie where its dataset does: Cloud KMS calls EU europe, US us, and a region by its own name."
  }
}

variable "labels" {
  description = "Labels on dataset, tables and views."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", name)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, hyphens and underscores, names starting with a letter."
  }
}

variable "location" {
  description = "Where the data lies: `EU`, `US`, or a region such as `europe-west3`. It can't be changed later."
  type        = string
  default     = "EU"
  nullable    = false

  validation {
    condition     = can(regex("^(EU|US|[a-z]+-[a-z]+[0-9]+)$", var.location))
    error_message = "location must be EU, US, or a region in lower case."
  }
}

variable "name" {
  description = "ID of the dataset, unique in its project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_]+$", var.name)) && length(var.name) <= 1024
    error_message = "name must be up to 1024 letters, digits and underscores."
  }
}

variable "partition_expiration_days" {
  description = "Days after which a partition is deleted, where its table says nothing else; 0 for never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.partition_expiration_days >= 0
    error_message = "partition_expiration_days must be 0 or more."
  }
}

variable "project_id" {
  description = "Project that the dataset is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of that project, which the address of BigQuery's service agent is made from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits (not the project's ID)."
  }
}

variable "readers" {
  description = "Who may read all tables and views: IAM members like `group:analysts@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.readers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "readers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "table_expiration_days" {
  description = "Days after which a table is deleted, for datasets of intermediate results; 0 for never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.table_expiration_days >= 0
    error_message = "table_expiration_days must be 0 or more."
  }
}

variable "tables" {
  description = "Tables by name. `schema` is BigQuery's JSON: a list of columns with name, type, mode. `partition` splits by a column of times or dates (`by`: DAY, HOUR, MONTH or YEAR); `writers` may change this table alone."
  type = map(object({
    clustering  = optional(list(string))
    description = string
    partition = optional(object({
      by              = optional(string, "DAY")
      expiration_days = optional(number, 0)
      field           = string
      filter_required = optional(bool, false)
    }))
    schema  = string
    writers = optional(set(string), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for table in var.tables : can([for column in jsondecode(table.schema) : "${column.name} ${column.type}"])])
    error_message = "The schema of a table must be a JSON list of columns, each with a name and a type."
  }

  validation {
    condition = alltrue([
      for table in var.tables : length(setsubtract(
        concat(coalesce(table.clustering, []), table.partition[*].field),
        try([for column in jsondecode(table.schema) : column.name], []),
      )) == 0
    ])
    error_message = "partition.field and clustering must name columns of the table's schema."
  }

  validation {
    condition     = alltrue([for table in var.tables : length(coalesce(table.clustering, [])) <= 4])
    error_message = "clustering takes up to 4 columns."
  }

  validation {
    condition     = alltrue([for table in var.tables : alltrue([for by in table.partition[*].by : contains(["DAY", "HOUR", "MONTH", "YEAR"], by)])])
    error_message = "partition.by must be DAY, HOUR, MONTH or YEAR."
  }

  validation {
    condition     = alltrue(flatten([for table in var.tables : [for member in table.writers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))]]))
    error_message = "writers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "time_travel_days" {
  description = "Days that a table can be read as it was, 2 to 7."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.time_travel_days >= 2 && var.time_travel_days <= 7
    error_message = "time_travel_days must be between 2 and 7."
  }
}

variable "views" {
  description = "Views by name, each with its query in GoogleSQL; tables are named in full, `<project>.<dataset>.<table>`."
  type = map(object({
    description = string
    query       = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = length(setintersection(keys(var.views), keys(var.tables))) == 0
    error_message = "A view can't have the name of a table."
  }
}

variable "writers" {
  description = "Who may change all tables: IAM members, best the `principalSet:` of a workload identity pool, so that no key exists."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.writers : can(regex("^(group|principal|principalSet|serviceAccount|user):.+$", member))])
    error_message = "writers must be group:, principal:, principalSet:, serviceAccount: or user: members; allUsers and allAuthenticatedUsers are refused."
  }
}
