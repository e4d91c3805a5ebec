variable "availability_zones" {
  description = "Zones to spread over, one private subnet in each. Adding one at the end moves none of the others."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 6
    error_message = "availability_zones must be two to six: databases refuse a single one."
  }

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones must differ."
  }
}

variable "cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.cidr)[1]), 33) <= 22
    error_message = "cidr must be an IPv4 range between /16 and /22, like 10.0.0.0/16."
  }
}

variable "gateway_endpoints" {
  description = "Services reached through a gateway endpoint, which costs nothing."
  type        = set(string)
  default     = ["dynamodb", "s3"]
  nullable    = false

  validation {
    condition     = length(setsubtract(var.gateway_endpoints, ["dynamodb", "s3"])) == 0
    error_message = "gateway_endpoints can only hold dynamodb and s3; other services take interface_endpoints."
  }
}

variable "interface_endpoints" {
  description = "Services reached through an interface endpoint (each is charged by the hour and zone)."
  type        = set(string)
  default     = ["kms", "logs", "secretsmanager", "sqs"]
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && !startswith(service, "com.")])
    error_message = "interface_endpoints are short service names like \"secretsmanager\", without com.amazonaws.<region>."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the flow logs. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "name" {
  description = "Full name of the VPC; everything in it is named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,54}$", var.name))
    error_message = "name must be 3 to 54 letters, digits, hyphens or underscores (\"-flow-logs\" is added for a role)."
  }
}

variable "way_out" {
  description = "Whether workloads may call HTTPS services outside of AWS, through a NAT gateway (charged by the hour and by volume). Nothing outside reaches them."
  type        = bool
  default     = false
  nullable    = false
}
