variable "alarm_topic_arns" {
  description = "SNS topics, in this provider's region, told when an alarm fires and when it clears."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "allowed_security_group_ids" {
  description = "Security groups of the clients: each may connect on 9098, and gets the outgoing rule for it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "brokers_per_subnet" {
  description = "Brokers in each subnet. Without effect when serverless."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.brokers_per_subnet >= 1 && var.brokers_per_subnet <= 10
    error_message = "brokers_per_subnet must be 1 to 10."
  }
}

variable "clients" {
  description = "Who may do what, by name: topics that it reads and writes, consumer groups and transactional ids that it uses, each by its full name."
  type = map(object({
    groups            = optional(list(string), [])
    reads             = optional(list(string), [])
    transactional_ids = optional(list(string), [])
    writes            = optional(list(string), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for client in values(var.clients) : [for topic in concat(client.reads, client.writes) : contains(keys(var.topics), topic)]]))
    error_message = "clients read and write topics that topics declares: no other names, and no patterns."
  }

  validation {
    condition     = alltrue([for client in values(var.clients) : length(client.reads) + length(client.writes) > 0])
    error_message = "clients[*] must read or write something."
  }

  validation {
    condition     = alltrue(flatten([for client in values(var.clients) : [for name in concat(client.groups, client.transactional_ids) : can(regex("^[a-zA-Z0-9._-]{1,249}$", name))]]))
    error_message = "groups and transactional_ids are full names of letters, digits, '.', '_' and '-': no patterns."
  }
}

variable "disk_used_percent" {
  description = "An alarm fires when a broker's log disk is fuller than this. Without effect when serverless."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.disk_used_percent >= 10 && var.disk_used_percent <= 95
    error_message = "disk_used_percent must be 10 to 95."
  }
}

variable "instance_type" {
  description = "Size of a broker. Without effect when serverless."
  type        = string
  default     = "kafka.m7g.large"
  nullable    = false

  validation {
    condition     = can(regex("^kafka\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type must look like kafka.m7g.large."
  }
}

variable "kafka_version" {
  description = "Version of Kafka. Without effect when serverless."
  type        = string
  default     = "3.9.x"
  nullable    = false

  validation {
    condition     = can(regex("^(3\\.[6-9]|4\\.[0-9])(\\.[0-9x]+)?(\\.kraft)?$", var.kafka_version))
    error_message = "kafka_version must be 3.6 or later, like \"3.9.x\"."
  }
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the brokers' disks and logs. Its policy must let CloudWatch Logs use it. A serverless cluster has a key of AWS's own."
  type        = string
  nullable    = false
}

variable "lag_alarms" {
  description = "Alarms about consumer groups that fall behind, by name: more than `messages` unread in a topic for `minutes`."
  type = map(object({
    group    = string
    messages = number
    minutes  = optional(number, 5)
    topic    = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for alarm in values(var.lag_alarms) : contains(keys(var.topics), alarm.topic)])
    error_message = "lag_alarms are about topics that topics declares."
  }

  validation {
    condition     = alltrue([for alarm in values(var.lag_alarms) : alarm.messages > 0 && alarm.minutes >= 1])
    error_message = "lag_alarms need more than 0 messages, and 1 minute or more."
  }
}

variable "log_retention_days" {
  description = "Days that the brokers' logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of the periods CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …, 3653."
  }
}

variable "monitoring" {
  description = "How finely MSK measures: DEFAULT, PER_BROKER, PER_TOPIC_PER_BROKER or PER_TOPIC_PER_PARTITION. All but the first cost by metric."
  type        = string
  default     = "PER_BROKER"
  nullable    = false

  validation {
    condition     = contains(["DEFAULT", "PER_BROKER", "PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION"], var.monitoring)
    error_message = "monitoring must be DEFAULT, PER_BROKER, PER_TOPIC_PER_BROKER or PER_TOPIC_PER_PARTITION."
  }
}

variable "name" {
  description = "Full name of the cluster; everything around it is named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 64
    error_message = "name must be up to 64 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "serverless" {
  description = "Whether MSK sizes the cluster by itself: then it has no brokers, disks, logs and customer key of its own."
  type        = bool
  default     = false
  nullable    = false
}

variable "standin" {
  description = "The local broker, or the cluster that is used instead of it: where it listens, and how many brokers it has."
  type = object({
    bootstrap_servers = string
    brokers           = number
  })
  nullable = false
}

variable "storage_gb" {
  description = "Disk of each broker. Without effect when serverless."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.storage_gb >= 1 && var.storage_gb <= 16384
    error_message = "storage_gb must be 1 to 16384."
  }
}

variable "subnet_ids" {
  description = "Without effect: the local broker is in no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "topics" {
  description = "Topics by their full names, for the job that makes them. `replication` is a topic's copies, 3 at most by default; `cleanup_policy` is delete or compact; `max_message_bytes` is the largest batch; `timestamp_type` is CreateTime (a message's time is what its producer says) or LogAppendTime (the broker's clock)."
  type = map(object({
    cleanup_policy    = optional(string, "delete")
    max_message_bytes = optional(number, 1048588)
    partitions        = number
    replication       = optional(number)
    retention_ms      = optional(number, 604800000)
    timestamp_type    = optional(string, "CreateTime")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.topics) : can(regex("^[a-zA-Z0-9._-]{1,249}$", name)) && !startswith(name, "__")])
    error_message = "topics are named with letters, digits, '.', '_' and '-', and none begins with '__', which is Kafka's own."
  }

  validation {
    condition     = alltrue([for topic in values(var.topics) : topic.partitions >= 1 && coalesce(topic.replication, 1) >= 1])
    error_message = "topics[*] need one partition and one copy at least."
  }

  validation {
    condition     = alltrue([for topic in values(var.topics) : contains(["delete", "compact", "compact,delete"], topic.cleanup_policy)])
    error_message = "topics[*].cleanup_policy must be delete, compact or \"compact,delete\"."
  }

  validation {
    condition     = alltrue([for topic in values(var.topics) : topic.retention_ms == -1 || topic.retention_ms >= 1000])
    error_message = "topics[*].retention_ms must be a second or more, or -1 for ever."
  }

  validation {
    condition     = alltrue([for topic in values(var.topics) : contains(["CreateTime", "LogAppendTime"], topic.timestamp_type)])
    error_message = "topics[*].timestamp_type must be CreateTime or LogAppendTime."
  }
}

variable "vpc_id" {
  description = "Without effect: the local broker is in no VPC."
  type        = string
  default     = null
}
