locals {
  tags = merge(var.tags, { job = var.name })
}

# What the job's cluster may be. It holds for this job and for whoever the job's owners let use it.
resource "databricks_cluster_policy" "this" {
  name        = var.name
  description = "Clusters of the job ${var.name}"

  definition = jsonencode(merge(
    {
      "cluster_type"          = { type = "fixed", value = "job" }
      "data_security_mode"    = { type = "fixed", value = "SINGLE_USER" }
      "spark_version"         = { type = "fixed", value = var.spark_version }
      "node_type_id"          = { type = "allowlist", values = [var.node_type], defaultValue = var.node_type }
      "autoscale.min_workers" = { type = "range", minValue = 1, maxValue = var.workers.max, defaultValue = var.workers.min }
      "autoscale.max_workers" = { type = "range", maxValue = var.workers.max, defaultValue = var.workers.max }
    },
    { for name, value in local.tags : "custom_tags.${name}" => { type = "fixed", value = value } },
  ))
}

resource "databricks_job" "this" {
  name                = var.name
  description         = var.description
  max_concurrent_runs = 1
  tags                = local.tags
  timeout_seconds     = var.timeout_s

  queue {
    enabled = true
  }

  run_as {
    service_principal_name = var.run_as
  }

  job_cluster {
    job_cluster_key = "job"

    new_cluster {
      policy_id          = databricks_cluster_policy.this.id
      custom_tags        = local.tags
      data_security_mode = "SINGLE_USER"
      node_type_id       = var.node_type
      spark_conf         = var.spark_conf
      spark_version      = var.spark_version

      autoscale {
        min_workers = var.workers.min
        max_workers = var.workers.max
      }
    }
  }

  dynamic "task" {
    for_each = var.tasks

    content {
      task_key                  = task.key
      description               = task.value.description
      job_cluster_key           = "job"
      max_retries               = task.value.retries
      min_retry_interval_millis = 60000
      retry_on_timeout          = false
      timeout_seconds           = task.value.timeout_s

      dynamic "depends_on" {
        for_each = task.value.depends_on

        content {
          task_key = depends_on.value
        }
      }

      dynamic "notebook_task" {
        for_each = task.value.notebook[*]

        content {
          notebook_path   = notebook_task.value.path
          base_parameters = notebook_task.value.parameters
        }
      }

      dynamic "python_wheel_task" {
        for_each = task.value.wheel[*]

        content {
          package_name     = python_wheel_task.value.package
          entry_point      = python_wheel_task.value.entry_point
          named_parameters = python_wheel_task.value.parameters
        }
      }

      dynamic "library" {
        for_each = task.value.wheel[*]

        content {
          whl = library.value.file
        }
      }
    }
  }

  dynamic "schedule" {
    for_each = var.schedule[*]

    content {
      quartz_cron_expression = schedule.value.cron
      timezone_id            = schedule.value.time_zone
      pause_status           = schedule.value.paused ? "PAUSED" : "UNPAUSED"
    }
  }

  dynamic "health" {
    for_each = var.expected_s[*]

    content {
      rules {
        metric = "RUN_DURATION_SECONDS"
        op     = "GREATER_THAN"
        value  = health.value
      }
    }
  }

  email_notifications {
    on_duration_warning_threshold_exceeded = var.notify
    on_failure                             = var.notify
  }

  notification_settings {
    no_alert_for_canceled_runs = true
    no_alert_for_skipped_runs  = false
  }
}
