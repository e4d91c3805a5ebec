variable "description" {
  description = "What the partner does with the role."
  type        = string
  nullable    = false
}

variable "external_id" {
  description = "What the partner says when it takes the role, so that no other customer of the partner can have it taken."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[\\w+=,.@:/-]+$", var.external_id)) && length(var.external_id) >= 2 && length(var.external_id) <= 1224
    error_message = "external_id must be 2 to 1224 letters, digits or any of '+=,.@:/-_'."
  }
}

variable "grants" {
  description = "What the partner may do, by name: `{ publish = { actions = [\"sns:Publish\"], resources = [\"<topic arn>\"] } }`. Actions are spelt out, resources are named."
  type = map(object({
    actions   = list(string)
    resources = list(string)
  }))
  nullable = false

  validation {
    condition     = length(var.grants) > 0 && alltrue([for name in keys(var.grants) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "grants must be at least one, named in lower case, like publish."
  }

  validation {
    condition     = alltrue(flatten([for grant in values(var.grants) : [for action in grant.actions : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))]]))
    error_message = "grants[*].actions are spelt out like sns:Publish: no wildcards."
  }

  validation {
    condition     = alltrue([for grant in values(var.grants) : length(grant.actions) > 0 && length(grant.resources) > 0])
    error_message = "grants[*] need at least one action and one resource."
  }

  validation {
    condition     = alltrue([for grant in values(var.grants) : !contains(grant.resources, "*")])
    error_message = "grants[*].resources are named: a partner may do nothing on everything."
  }
}

variable "name" {
  description = "Full name of the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits or any of '+=,.@_-'."
  }
}

variable "principal_arn" {
  description = "User or role of the partner's account that takes the role; the partner says which."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:*]+:iam::[0-9]{12}:(user|role)/[^*]+$", var.principal_arn))
    error_message = "principal_arn must be the ARN of one user or role: not a whole account, and no wildcard."
  }
}
