locals {
  hosts = merge(
    { for region, service in google_cloud_run_v2_service.api : region => trimprefix(service.uri, "https://") },
    { public = var.domain },
  )
}

# From several places in the world, over the data path, as Route 53 does on AWS. Here nobody is led elsewhere by it.
resource "google_monitoring_uptime_check_config" "ready" {
  for_each = local.hosts

  project            = var.project_id
  display_name       = "${var.name} ${each.key}"
  period             = "60s"
  timeout            = "10s"
  log_check_failures = true
  user_labels        = var.labels

  http_check {
    path         = "/ready"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_value = 200
    }

    service_agent_authentication {
      type = "OIDC_TOKEN"
    }
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { host = each.value, project_id = var.project_id }
  }
}

resource "google_monitoring_alert_policy" "unready" {
  for_each = google_monitoring_uptime_check_config.ready

  project               = var.project_id
  display_name          = "${var.name}: ${each.key} is not ready"
  combiner              = "OR"
  notification_channels = var.notification_channels
  severity              = "CRITICAL"
  user_labels           = var.labels

  conditions {
    display_name = "More than one place finds /ready failing"

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.label.check_id=\"${each.value.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "60s"

      aggregations {
        alignment_period     = "120s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }

      trigger {
        count = 1
      }
    }
  }
}

resource "google_monitoring_alert_policy" "errors" {
  project               = var.project_id
  display_name          = "${var.name}: the API answers with errors"
  combiner              = "OR"
  notification_channels = var.notification_channels
  severity              = "ERROR"
  user_labels           = var.labels

  conditions {
    display_name = "Answers with 5xx in a region"

    condition_threshold {
      filter          = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"${var.name}\" AND metric.label.response_code_class=\"5xx\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.location"]
      }

      trigger {
        count = 1
      }
    }
  }
}

# Users are never late, because each write is in several regions before it is answered. Avatars can be.
resource "google_monitoring_alert_policy" "avatars" {
  project               = var.project_id
  display_name          = "${var.name}: avatars are late"
  combiner              = "OR"
  notification_channels = var.notification_channels
  severity              = "WARNING"
  user_labels           = var.labels

  conditions {
    display_name = "The promised 15 minutes of turbo replication are not kept"

    condition_threshold {
      filter          = "metric.type=\"storage.googleapis.com/replication/meeting_rpo\" AND resource.type=\"gcs_bucket\" AND resource.label.bucket_name=\"${module.avatars.name}\""
      comparison      = "COMPARISON_LT"
      threshold_value = 1
      duration        = "300s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_FRACTION_TRUE"
      }

      trigger {
        count = 1
      }
    }
  }
}
