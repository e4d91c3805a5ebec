variable "authorization" {
  description = "Who may call: `AWS_IAM` wants signed requests from principals with execute-api:Invoke, `NONE` leaves it to the function."
  type        = string
  default     = "AWS_IAM"
  nullable    = false

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.authorization)
    error_message = "authorization must be AWS_IAM or NONE."
  }
}

variable "cors_origins" {
  description = "Web origins that browsers may call from. Empty turns CORS off."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https://", origin)) || can(regex("^http://localhost(:[0-9]+)?$", origin))])
    error_message = "cors_origins must be https origins (or http://localhost for development); * is refused."
  }
}

variable "description" {
  description = "What the API is for."
  type        = string
  default     = ""
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the access log. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that access logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "name" {
  description = "Full name of the API."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,128}$", var.name))
    error_message = "name must be 3 to 128 letters, digits, hyphens or underscores."
  }
}

variable "public_because" {
  description = "Why callers without credentials are let in, where `routes` or `authorization` do so; kept as the API's tag `public-because`. At least 20 letters, digits, spaces or _ . : / = + - @."
  type        = string
  default     = null

  validation {
    condition     = var.public_because == null || can(regex("^[\\p{L}\\p{N} _.:/=+@-]{20,256}$", var.public_because))
    error_message = "public_because must be 20 to 256 letters, digits, spaces or _ . : / = + - @, as AWS takes them in a tag."
  }

  validation {
    condition     = var.public_because != null || (var.authorization != "NONE" && !anytrue([for route in values(var.routes) : route.public]))
    error_message = "public_because must say why routes are open to callers without credentials."
  }
}

variable "routes" {
  description = "Which function answers which route: `{ \"GET /users/{id}\" = { function_arn = …, function_name = … } }`. `ANY /path`, `{proxy+}` and `$default` work too. `public` opens one route to callers without credentials, as health checks are."
  type = map(object({
    function_arn  = string
    function_name = string
    public        = optional(bool, false)
  }))
  nullable = false

  validation {
    condition     = length(var.routes) > 0
    error_message = "routes must name at least one route."
  }

  validation {
    condition     = alltrue([for route in keys(var.routes) : route == "$default" || can(regex("^(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /[^ ]*$", route))])
    error_message = "routes are named <METHOD> /<path> or $default, like \"GET /users/{id}\"."
  }
}

variable "throttle" {
  description = "Requests per second that every route takes on average, and at once."
  type = object({
    burst      = optional(number, 100)
    rate_per_s = optional(number, 50)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.throttle.burst >= 1 && var.throttle.rate_per_s >= 1
    error_message = "throttle.burst and throttle.rate_per_s must be 1 or more: 0 refuses every request."
  }
}

variable "timeout_s" {
  description = "Seconds that the API waits for a function."
  type        = number
  default     = 29
  nullable    = false

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 30
    error_message = "timeout_s must be between 1 and 30, the most that an HTTP API waits."
  }
}
