variable "alarm_topic_arn" {
  description = "Topic that the alarms on failed and on silent jobs tell. Null tells nobody."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor of the workers, and of an image: ARM64 or X86_64."
  type        = string
  default     = "ARM64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "architecture must be ARM64 or X86_64."
  }
}

variable "bucket" {
  description = "Bucket that holds the code, and the key of that bucket where it isn't `kms_key_arn`."
  type = object({
    name        = string
    kms_key_arn = optional(string)
  })
  nullable = false
}

variable "dead_letter" {
  description = "Queue that keeps runs which could not be started, and the key of that queue where it isn't `kms_key_arn`."
  type = object({
    queue_arn   = string
    kms_key_arn = optional(string)
  })
  nullable = false
}

variable "enabled" {
  description = "Whether the schedules run. Without them nobody is told of their jobs' silence."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = "Environment variables of all jobs, for driver and executors. No secrets: they can be read by whoever may describe a run."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "environment has names like QUASAR_BUCKET."
  }

  validation {
    condition     = alltrue([for value in values(var.environment) : can(regex("\\S", value)) && length(value) <= 1024])
    error_message = "environment has values of 1 to 1024 characters, not blank: EMR takes no others."
  }

  validation {
    condition = alltrue([
      for name in keys(var.environment) :
      !can(regex("PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY|CREDENTIAL", name)) || can(regex("_(ARN|ID|NAME|URL|PATH)$", name))
    ])
    error_message = "environment holds no secret: name the ARN of one instead, in a variable like DB_SECRET_ARN."
  }
}

variable "idle_minutes" {
  description = "Minutes without a job after which the application stops."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.idle_minutes >= 1 && var.idle_minutes <= 60
    error_message = "idle_minutes must be 1 to 60."
  }
}

variable "image" {
  description = "Image in ECR for driver and executors, made from EMR's of the same release and pinned by its digest. Null takes EMR's own, which has no packages beside Spark's."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be in ECR and pinned by its digest, not by a tag that can move."
  }
}

variable "jars" {
  description = "Jars for the class path, each by its address in S3: Kafka's connector is not among what EMR brings. Encrypted with `kms_key_arn` or the key of `bucket`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for jar in var.jars : can(regex("^s3://[a-z0-9.-]{3,63}/[^*?,]+\\.jar$", jar))])
    error_message = "jars are single files like s3://bucket/jars/spark-sql-kafka.jar."
  }

  validation {
    condition     = length(join(",", var.jars)) <= 1024
    error_message = "jars have more than 1024 characters together, which EMR does not take: shorten their folder's name, or put them into image."
  }
}

variable "jobs" {
  description = "Jobs by name: a module of the package, what it is given, and what it may do. A BATCH job may have a schedule. `heartbeat` is a line that it logs while all is well, and the longest time without one, in minutes; two hours are added to those from 360 on. `retries` of a STREAMING job are those of an hour."
  type = map(object({
    arguments       = optional(list(string), [])
    description     = optional(string, "")
    environment     = optional(map(string), {})
    mode            = optional(string, "BATCH")
    module          = string
    retries         = optional(number, 2)
    settings        = optional(map(string), {})
    timeout_minutes = optional(number, 720)
    grants = map(object({
      actions   = list(string)
      resources = list(string)
    }))
    heartbeat = object({
      minutes = number
      pattern = string
    })
    schedule = optional(object({
      expression = string
      timezone   = optional(string, "UTC")
    }))
  }))
  nullable = false

  validation {
    condition     = length(var.jobs) > 0 && alltrue([for name in keys(var.jobs) : can(regex("^[a-z][a-z0-9-]{0,12}$", name)) && name != "schedule"])
    error_message = "jobs are at least one, with names of up to 13 lower-case letters, digits and hyphens, and not \"schedule\"."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : can(regex("^[a-z_][a-z0-9_]*(\\.[a-z_][a-z0-9_]*)*$", job.module))])
    error_message = "jobs[*].module is a module of Python, like quasar.speed."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : contains(["BATCH", "STREAMING"], job.mode)])
    error_message = "jobs[*].mode must be BATCH or STREAMING."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.mode == "BATCH" || job.schedule == null])
    error_message = "A STREAMING job runs on by itself: a schedule would start a second one on the same checkpoint."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.schedule == null || can(regex("^(rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)|cron\\(\\S+( \\S+){5}\\))$", job.schedule.expression))])
    error_message = "jobs[*].schedule.expression must be rate(<n> minutes|hours|days) or cron(<six fields>)."
  }

  validation {
    condition     = alltrue(flatten([for job in values(var.jobs) : [for grant in values(job.grants) : [for action in grant.actions : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))]]]))
    error_message = "jobs[*].grants[*].actions are spelt out like s3:GetObject: no wildcards."
  }

  validation {
    condition     = alltrue(flatten([for job in values(var.jobs) : [for name, grant in job.grants : can(regex("^[a-z][a-z0-9_-]*$", name)) && length(grant.actions) > 0 && length(grant.resources) > 0 && !contains(grant.resources, "*")]]))
    error_message = "jobs[*].grants are named in lower case, like read_events, and need at least one action and one resource; \"*\" is none: name it."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : contains([1, 5, 10, 15, 30, 60, 360, 720, 1440], job.heartbeat.minutes)])
    error_message = "jobs[*].heartbeat.minutes must be 1, 5, 10, 15, 30, 60, 360, 720 or 1440."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.retries >= 0 && job.retries <= 10 && (job.mode == "BATCH" || job.retries >= 1)])
    error_message = "jobs[*].retries must be 0 to 10, and 1 at least for a STREAMING job."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.timeout_minutes >= 1 && job.timeout_minutes <= 1440])
    error_message = "jobs[*].timeout_minutes must be 1 to 1440."
  }

  validation {
    condition     = alltrue(flatten([for job in values(var.jobs) : [for name in keys(job.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))]]))
    error_message = "jobs[*].environment has names like QUASAR_BUCKET."
  }

  validation {
    condition = alltrue(flatten([
      for job in values(var.jobs) : [
        for name in keys(job.environment) :
        !can(regex("PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY|CREDENTIAL", name)) || can(regex("_(ARN|ID|NAME|URL|PATH)$", name))
      ]
    ]))
    error_message = "jobs[*].environment holds no secret: name the ARN of one instead, in a variable like DB_SECRET_ARN."
  }

  validation {
    condition     = alltrue(flatten([for job in values(var.jobs) : [for name in keys(job.settings) : startswith(name, "spark.")]]))
    error_message = "jobs[*].settings are Spark's own, like spark.executor.memory."
  }

  validation {
    condition     = alltrue(flatten([for job in values(var.jobs) : [for value in concat(values(job.environment), values(job.settings)) : can(regex("\\S", value)) && length(value) <= 1024]]))
    error_message = "jobs[*].environment and settings have values of 1 to 1024 characters, not blank: EMR takes no others."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts logs, schedules and the workers' disks. Its policy must let CloudWatch Logs use it."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "maximum" {
  description = "What all jobs together may use at most: vCPUs, memory and disk in GB."
  type = object({
    disk_gb   = optional(number, 200)
    memory_gb = optional(number, 64)
    vcpus     = optional(number, 16)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.maximum.vcpus >= 2 && var.maximum.memory_gb >= 4 && var.maximum.disk_gb >= 20
    error_message = "maximum must leave room for a driver and a worker: 2 vCPUs, 4 GB of memory and 20 GB of disk at least."
  }
}

variable "name" {
  description = "Full name of the application; roles, log groups, schedules and alarms are named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 50
    error_message = "name must be up to 50 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "package_path" {
  description = "Path of the zip with the jobs' Python code."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.package_path, ".zip")
    error_message = "package_path must name a .zip file."
  }
}

variable "package_sha256" {
  description = "SHA-256 of the zip in base64: a new value uploads it in place of the one before."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package_sha256))
    error_message = "package_sha256 must be the base64 form of a SHA-256 (44 characters), as filebase64sha256() gives it."
  }
}

variable "python" {
  description = "Python that driver and executors run, as its path in the image."
  type        = string
  default     = "/usr/bin/python3.11"
  nullable    = false

  validation {
    condition     = can(regex("^/[A-Za-z0-9._/-]+$", var.python))
    error_message = "python must be a path like /usr/bin/python3.11."
  }
}

variable "release" {
  description = "Release of EMR, which says the version of Spark. From 7.10 on, its metrics have the names that the alarm asks for."
  type        = string
  default     = "emr-7.10.0"
  nullable    = false

  validation {
    condition     = can(regex("^emr-7\\.[1-9][0-9]\\.[0-9]+$", var.release))
    error_message = "release must be emr-7.10.0 or a later one of emr-7."
  }
}

variable "security_group_ids" {
  description = "Security groups of the workers."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids must be one or more."
  }
}

variable "subnet_ids" {
  description = "Private subnets that the workers run in; they need a way to S3, CloudWatch Logs, KMS, ECR where there is an image, and to what the jobs use."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must be one or more."
  }
}
