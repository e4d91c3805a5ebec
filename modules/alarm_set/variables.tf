variable "alarms" {
  description = "Alarms by name; each fires when `metric` stays beyond `threshold` for `evaluation_periods` periods (or `datapoints_to_alarm` of them)."
  type = map(object({
    comparison          = optional(string, "GreaterThanThreshold")
    datapoints_to_alarm = optional(number)
    description         = string
    dimensions          = optional(map(string), {})
    evaluation_periods  = optional(number, 1)
    metric              = string
    namespace           = string
    notify_ok           = optional(bool, true)
    period_s            = optional(number, 60)
    statistic           = optional(string, "Sum")
    threshold           = number
    treat_missing       = optional(string, "notBreaching")
  }))
  nullable = false

  validation {
    condition = alltrue([
      for alarm in var.alarms : contains([
        "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanOrEqualToThreshold", "LessThanThreshold",
      ], alarm.comparison)
    ])
    error_message = "comparison must be GreaterThanThreshold, GreaterThanOrEqualToThreshold, LessThanThreshold or LessThanOrEqualToThreshold."
  }

  validation {
    condition = alltrue([
      for alarm in var.alarms : alarm.evaluation_periods >= 1 && coalesce(alarm.datapoints_to_alarm, alarm.evaluation_periods) <= alarm.evaluation_periods
    ])
    error_message = "datapoints_to_alarm can't be more than evaluation_periods, which must be at least 1."
  }

  validation {
    condition     = alltrue([for alarm in var.alarms : contains([10, 30], alarm.period_s) || (alarm.period_s > 0 && alarm.period_s % 60 == 0)])
    error_message = "period_s must be 10, 30 or a multiple of 60."
  }

  validation {
    condition = alltrue([
      for alarm in var.alarms : can(regex("^(Average|Maximum|Minimum|SampleCount|Sum|p[0-9]{1,2}(\\.[0-9]{1,2})?|p100)$", alarm.statistic))
    ])
    error_message = "statistic must be Average, Maximum, Minimum, SampleCount, Sum or a percentile such as p99 or p99.9."
  }

  validation {
    condition = alltrue([
      for alarm in var.alarms : contains(["breaching", "ignore", "missing", "notBreaching"], alarm.treat_missing)
    ])
    error_message = "treat_missing must be breaching, ignore, missing or notBreaching."
  }
}

variable "name" {
  description = "Prefix of every alarm's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,200}$", var.name))
    error_message = "name must be 1 to 200 letters, digits, '.', '_' or '-'."
  }
}

variable "topic_arns" {
  description = "SNS topics, in this provider's region, told when an alarm fires and when it clears."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topic_arns) > 0
    error_message = "topic_arns must name at least one topic: an alarm that tells nobody is none."
  }
}
