variable "clients" {
  description = "As the module takes them."
  type = map(object({
    groups            = list(string)
    reads             = list(string)
    transactional_ids = list(string)
    writes            = list(string)
  }))
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "replication" {
  description = "How many copies a topic can have at most."
  type        = number
}

variable "serverless" {
  description = "Whether the topics are of MSK Serverless, which takes fewer settings."
  type        = bool
}

variable "topics" {
  description = "As the module takes them."
  type = map(object({
    cleanup_policy    = string
    max_message_bytes = number
    partitions        = number
    replication       = number
    retention_ms      = number
    timestamp_type    = string
  }))
}
