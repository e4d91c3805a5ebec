# The public name: one address in the whole world, which leads each client to the nearest region that isn't ejected.
resource "google_compute_global_address" "this" {
  project = var.project_id
  name    = var.name
}

resource "google_compute_region_network_endpoint_group" "api" {
  for_each = var.regions

  project               = var.project_id
  region                = each.key
  name                  = var.name
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = google_cloud_run_v2_service.api[each.key].name
  }
}

resource "google_compute_backend_service" "api" {
  project               = var.project_id
  name                  = var.name
  description           = "The identity API in both regions."
  load_balancing_scheme = "EXTERNAL_MANAGED"

  dynamic "backend" {
    for_each = google_compute_region_network_endpoint_group.api

    content {
      group = backend.value.id
    }
  }

  log_config {
    enable      = true
    sample_rate = 1
  }

  # Serverless backends have no health check of the balancer's: a region is left out after errors that clients saw.
  outlier_detection {
    consecutive_errors                    = 5
    consecutive_gateway_failure           = 3
    enforcing_consecutive_errors          = 100
    enforcing_consecutive_gateway_failure = 100
    enforcing_success_rate                = 0 # statistics over two backends say nothing
    max_ejection_percent                  = 50

    base_ejection_time {
      seconds = 30
    }

    interval {
      seconds = 10
    }
  }
}

resource "google_compute_url_map" "this" {
  project         = var.project_id
  name            = var.name
  default_service = google_compute_backend_service.api.id
}

# Its name follows the domain, so that a new one is made before the old one goes.
resource "google_compute_managed_ssl_certificate" "this" {
  project = var.project_id
  name    = "${var.name}-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "this" {
  project         = var.project_id
  name            = var.name
  min_tls_version = "TLS_1_2"
  profile         = "MODERN"
}

resource "google_compute_target_https_proxy" "this" {
  project          = var.project_id
  name             = var.name
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.this.id
  url_map          = google_compute_url_map.this.id
}

# Port 443 alone: nobody answers plain HTTP.
resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = var.name
  ip_address            = google_compute_global_address.this.id
  labels                = var.labels
  load_balancing_scheme = "EXTERNAL_MANAGED"
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
}
