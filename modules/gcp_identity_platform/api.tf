locals {
  # What the two services on which location depends call it.
  multi_region = {
    EU = { firestore = "eur3", kms = "europe", regions = "europe-" }
    US = { firestore = "nam5", kms = "us", regions = "us-" }
  }[var.multi_region]

  # Monitoring asks /ready as this agent, with a token: nothing has to be open to everybody.
  monitoring = "serviceAccount:service-${var.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
  invocations = {
    for pair in setproduct(keys(var.regions), setunion(var.invokers, [local.monitoring])) :
    "${pair[0]} ${pair[1]}" => { region = pair[0], member = pair[1] }
  }
}

resource "google_service_account" "api" {
  project      = var.project_id
  account_id   = var.name
  display_name = "Identity API"
  description  = "What the identity API runs as: one database, one secret."
}

# The role can be granted on projects only; the condition narrows it to the one database.
resource "google_project_iam_member" "users" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = "serviceAccount:${google_service_account.api.email}"

  condition {
    title       = "${var.name}-database-only"
    description = "Only the users of the identity platform."
    expression  = "resource.name == \"projects/${var.project_id}/databases/${google_firestore_database.users.name}\""
  }
}

resource "google_secret_manager_secret_iam_member" "pepper" {
  project   = var.project_id
  secret_id = google_secret_manager_secret.pepper.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.api.email}"
}

resource "google_cloud_run_v2_service" "api" {
  for_each = var.regions

  project             = var.project_id
  location            = each.key
  name                = var.name
  description         = "Answers the identity API of ${each.key}."
  custom_audiences    = ["https://${var.domain}"]
  deletion_protection = var.deletion_protection
  ingress             = "INGRESS_TRAFFIC_ALL" # each region keeps an address of its own, for clients and checks; IAM decides who may call
  labels              = var.labels

  template {
    max_instance_request_concurrency = var.concurrency
    service_account                  = google_service_account.api.email
    timeout                          = "10s"

    scaling {
      max_instance_count = var.max_instances
      min_instance_count = var.min_instances
    }

    containers {
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = "1", memory = "512Mi" }
        startup_cpu_boost = true
      }

      env {
        name  = "PEPPER_SECRET"
        value = "projects/${var.project_id}/secrets/${google_secret_manager_secret.pepper.secret_id}"
      }

      env {
        name  = "PROJECT"
        value = var.project_id
      }

      env {
        name  = "REGION"
        value = each.key
      }

      env {
        name  = "USERS_DATABASE"
        value = google_firestore_database.users.name
      }

      # The port, not /ready: an instance that starts while the database is away has to be there to say so.
      startup_probe {
        failure_threshold = 10
        period_seconds    = 3
        timeout_seconds   = 2

        tcp_socket {
          port = 8080
        }
      }
    }
  }

  # The first request would be refused by database and secret.
  depends_on = [google_project_iam_member.users, google_secret_manager_secret_iam_member.pepper]
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invocations

  project  = var.project_id
  location = each.value.region
  name     = google_cloud_run_v2_service.api[each.value.region].name
  role     = "roles/run.invoker"
  member   = each.value.member

  # Monitoring's agent exists once there is a check that asks with its token.
  depends_on = [google_monitoring_uptime_check_config.ready]
}
