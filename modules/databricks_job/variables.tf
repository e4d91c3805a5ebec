variable "description" {
  description = "What the job does."
  type        = string
  nullable    = false
}

variable "expected_s" {
  description = "Seconds that a run takes at most, as a rule; one that takes longer is told to `notify`. Null tells nobody."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.expected_s, 1) >= 1 && coalesce(var.expected_s, 0) < var.timeout_s
    error_message = "expected_s must be 1 or more, and less than timeout_s."
  }
}

variable "managers" {
  description = "Groups that may start and cancel runs."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "name" {
  description = "Name of the job, and of its policy."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,99}$", var.name))
    error_message = "name must be 3 to 100 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "node_type" {
  description = "Kind of machine of driver and workers, such as `m6gd.large` on AWS or `Standard_D4ds_v5` on Azure."
  type        = string
  nullable    = false
}

variable "notify" {
  description = "E-mail addresses that are told when a run fails or takes longer than expected."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.notify) > 0 && alltrue([for address in var.notify : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "notify must be at least one e-mail address."
  }
}

variable "run_as" {
  description = "Application ID of the service principal that the job runs as; its rights to data are the job's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.run_as))
    error_message = "run_as must be an application ID, such as 11111111-2222-3333-4444-555555555555."
  }
}

variable "schedule" {
  description = "When it runs: a Quartz expression (`0 30 4 * * ?` is half past four, every day). Null leaves the start to others."
  type = object({
    cron      = string
    paused    = optional(bool, false)
    time_zone = optional(string, "UTC")
  })
  default = null

  validation {
    condition     = var.schedule == null || contains([6, 7], try(length(split(" ", var.schedule.cron)), 0))
    error_message = "schedule.cron must be a Quartz expression of six or seven fields, the first of which are seconds."
  }
}

variable "spark_conf" {
  description = "Settings of Spark."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, value in var.spark_conf : !can(regex("(?i)(secret|password|token|account\\.key)", name)) || startswith(value, "{{secrets/")])
    error_message = "spark_conf holds no secret: refer to one in a scope, {{secrets/<scope>/<key>}}."
  }
}

variable "spark_version" {
  description = "Databricks runtime, such as `16.4.x-scala2.12`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.x-", var.spark_version))
    error_message = "spark_version must be a Databricks runtime, such as 16.4.x-scala2.12."
  }
}

variable "tags" {
  description = "Tags on the job and on the machines of its cluster."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tasks" {
  description = "Tasks by key, each a `notebook` or an entry point of a Python `wheel` (`file` is a path in a volume or the workspace), after those it `depends_on`."
  type = map(object({
    depends_on  = optional(list(string), [])
    description = optional(string)
    notebook = optional(object({
      parameters = optional(map(string), {})
      path       = string
    }))
    retries   = optional(number, 1)
    timeout_s = optional(number, 3600)
    wheel = optional(object({
      entry_point = string
      file        = string
      package     = string
      parameters  = optional(map(string), {})
    }))
  }))
  nullable = false

  validation {
    condition     = length(var.tasks) > 0 && alltrue([for task in var.tasks : (task.notebook == null) != (task.wheel == null)])
    error_message = "There must be a task, and each must be either a notebook or a wheel."
  }

  validation {
    condition     = alltrue([for key, task in var.tasks : length(setsubtract(task.depends_on, setsubtract(keys(var.tasks), [key]))) == 0])
    error_message = "depends_on must name other tasks of the job."
  }

  validation {
    condition     = alltrue([for task in var.tasks : task.retries >= 0 && task.timeout_s >= 60])
    error_message = "retries must be 0 or more, timeout_s 60 or more."
  }
}

variable "timeout_s" {
  description = "Seconds after which a run is stopped."
  type        = number
  default     = 14400
  nullable    = false

  validation {
    condition     = var.timeout_s >= 60
    error_message = "timeout_s must be 60 or more."
  }
}

variable "viewers" {
  description = "Groups that may look at runs and their results."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setintersection(var.viewers, var.managers)) == 0
    error_message = "A group is one of viewers or managers, not both."
  }
}

variable "workers" {
  description = "Least and most workers of the cluster; the policy allows no more."
  type = object({
    max = number
    min = optional(number, 1)
  })
  nullable = false

  validation {
    condition     = var.workers.min >= 1 && var.workers.max >= var.workers.min
    error_message = "workers.min must be 1 or more, and workers.max not less."
  }
}
