variable "bootstrap_servers" {
  description = "As the module takes it."
  type        = string
}

variable "config" {
  description = "As the module takes it."
  type        = map(string)
}

variable "database" {
  description = "As the module takes it."
  type        = string
}

variable "engine" {
  description = "As the module takes it."
  type        = string
}

variable "host" {
  description = "As the module takes it."
  type        = string
}

variable "partitions" {
  description = "As the module takes it."
  type        = number
}

variable "port" {
  description = "As the module takes it."
  type        = number
}

variable "server_id" {
  description = "As the module takes it."
  type        = number
}

variable "signal_table" {
  description = "As the module takes it."
  type        = string
}

variable "tables" {
  description = "As the module takes it."
  type        = list(string)
}

variable "topic_prefix" {
  description = "Not null any more."
  type        = string
}
