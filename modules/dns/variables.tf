variable "account_id" {
  description = "AWS account that owns the zone: Route 53 may write query logs only on its behalf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "comment" {
  description = "What the zone is for."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.comment) > 0 && length(var.comment) <= 256
    error_message = "comment must be 1 to 256 characters."
  }
}

variable "force_destroy" {
  description = "Delete the zone even when it holds records that Terraform didn't make."
  type        = bool
  default     = false
  nullable    = false
}

variable "query_log" {
  description = "Log every query, encrypted by a key of us-east-1 that CloudWatch Logs may use. Null logs none."
  type = object({
    kms_key_arn    = string
    retention_days = optional(number, 365)
  })
  default = null
}

variable "records" {
  description = "Records by name (`@` is the zone itself), each with an endpoint per region: a host, or with `alias` the host of an AWS resource in that hosted zone. `routing` is `latency`: everybody's nearest healthy region; or `failover`: the region `primary` while it is healthy, else the other one."
  type = map(object({
    endpoints = map(object({
      alias = optional(object({ zone_id = string }))
      health_check = optional(object({
        failure_threshold = optional(number, 3)
        host              = string
        interval_s        = optional(number, 30)
        path              = string
        port              = optional(number, 443)
      }))
      target = string
    }))
    primary = optional(string)
    routing = optional(string, "latency")
    ttl_s   = optional(number, 60)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for record in var.records : [for region in keys(record.endpoints) : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))]]))
    error_message = "endpoints are keyed by region, such as 'eu-west-1'."
  }

  validation {
    condition = alltrue(flatten([
      for record in var.records : [
        for endpoint in record.endpoints : endpoint.health_check == null ? true : startswith(endpoint.health_check.path, "/")
      ]
    ]))
    error_message = "health_check.path must begin with '/'."
  }

  validation {
    condition = alltrue(flatten([
      for record in var.records : [
        for endpoint in record.endpoints : endpoint.health_check == null ? true : contains([10, 30], endpoint.health_check.interval_s)
      ]
    ]))
    error_message = "health_check.interval_s must be 10 or 30."
  }

  validation {
    condition     = alltrue([for endpoint in try(values(var.records["@"].endpoints), []) : endpoint.alias != null])
    error_message = "The zone itself ('@') can't be a CNAME: its endpoints need alias."
  }

  validation {
    condition     = alltrue([for record in var.records : contains(["failover", "latency"], record.routing)])
    error_message = "routing must be 'latency' or 'failover'."
  }

  validation {
    condition = alltrue([
      for record in var.records :
      record.routing == "failover" ? contains(keys(record.endpoints), coalesce(record.primary, "none")) : record.primary == null
    ])
    error_message = "primary must be the region of one of the endpoints where routing is 'failover', and is left out otherwise."
  }

  validation {
    condition     = alltrue([for record in var.records : record.routing != "failover" || length(record.endpoints) <= 2])
    error_message = "Failover knows a primary and a secondary: at most two endpoints."
  }

  validation {
    condition = alltrue([
      for record in var.records :
      record.routing == "failover" ? try(record.endpoints[record.primary].health_check, null) != null : true
    ])
    error_message = "The primary needs a health_check: without one Route 53 never leads anybody away from it."
  }
}

variable "zone_name" {
  description = "Domain of the public zone, without a final dot."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.zone_name))
    error_message = "zone_name must be a lower-case domain such as 'example.com', without a final dot."
  }
}
