mock_provider "google" {}

variables {
  name           = "orrery-test-id"
  project_id     = "orrery-test"
  project_number = "123456789012"
  domain         = "users.example.com"
  image          = "europe-docker.pkg.dev/orrery-test/identity/api@sha256:0f6c9a4d21b7e83512d4a8c07be95f6e3d1a2c48b50796e8f3a1d2c4b5e6f708"
  kms_key        = "projects/orrery-test/locations/europe/keyRings/identity/cryptoKeys/data"

  regions = {
    europe-west1 = "projects/orrery-test/locations/europe-west1/keyRings/identity/cryptoKeys/secret"
    europe-west4 = "projects/orrery-test/locations/europe-west4/keyRings/identity/cryptoKeys/secret"
  }

  access_log_bucket     = "orrery-test-logs"
  invokers              = ["serviceAccount:web@orrery-test.iam.gserviceaccount.com"]
  notification_channels = ["projects/orrery-test/notificationChannels/1"]
}

run "one_database_in_several_regions_with_the_customers_key" {
  command = apply

  assert {
    condition     = google_firestore_database.users.location_id == "eur3" && google_firestore_database.users.cmek_config[0].kms_key_name == var.kms_key
    error_message = "The users lie in Firestore's European multi-region, encrypted with the customer's key."
  }

  assert {
    condition     = google_firestore_database.users.delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.users.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "The database can't be deleted, and can be read as it was."
  }

  assert {
    condition     = google_firestore_backup_schedule.daily.retention == "1209600s"
    error_message = "Backups are kept for two weeks, in seconds."
  }

  assert {
    condition     = tomap({ for replica in google_secret_manager_secret.pepper.replication[0].user_managed[0].replicas : replica.location => replica.customer_managed_encryption[0].kms_key_name }) == var.regions
    error_message = "The secret has a replica in each region, encrypted with that region's key."
  }
}

run "the_api_may_use_one_database_and_one_secret" {
  command = apply

  assert {
    condition     = google_project_iam_member.users.role == "roles/datastore.user" && google_project_iam_member.users.condition[0].expression == "resource.name == \"projects/orrery-test/databases/orrery-test-id\""
    error_message = "The role on the project is narrowed to the one database."
  }

  assert {
    condition     = google_secret_manager_secret_iam_member.pepper.role == "roles/secretmanager.secretAccessor" && google_secret_manager_secret_iam_member.pepper.secret_id == "orrery-test-id-email-pepper-key"
    error_message = "The API reads one secret."
  }

  assert {
    condition     = length(module.avatars.name) > 0 && output.avatar_bucket == "orrery-test-id-avatars-123456789012"
    error_message = "Avatars have a bucket of their own."
  }
}

run "only_who_is_named_may_call_in_both_regions" {
  command = apply

  assert {
    condition = toset([for grant in google_cloud_run_v2_service_iam_member.invoker : "${grant.location} ${grant.role} ${grant.member}"]) == toset(flatten([
      for region in ["europe-west1", "europe-west4"] : [
        "${region} roles/run.invoker serviceAccount:web@orrery-test.iam.gserviceaccount.com",
        "${region} roles/run.invoker serviceAccount:service-123456789012@gcp-sa-monitoring-notification.iam.gserviceaccount.com",
      ]
    ]))
    error_message = "The invokers and the agent of Monitoring may call, in each region, and nobody else."
  }

  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.api : one(service.custom_audiences) == "https://users.example.com" && service.template[0].service_account == google_service_account.api.email])
    error_message = "Tokens for the public name are taken in each region, and the API runs as its own account."
  }

  assert {
    condition     = { for region, service in google_cloud_run_v2_service.api : region => one([for each in service.template[0].containers[0].env : each.value if each.name == "REGION"]) } == { europe-west1 = "europe-west1", europe-west4 = "europe-west4" }
    error_message = "Each service is told its region."
  }
}

run "one_name_leads_to_both_regions_and_leaves_out_the_one_that_fails" {
  command = apply

  assert {
    condition     = length(google_compute_backend_service.api.backend) == 2 && toset([for group in google_compute_region_network_endpoint_group.api : group.region]) == toset(["europe-west1", "europe-west4"])
    error_message = "Both regions are behind the name."
  }

  assert {
    condition     = google_compute_backend_service.api.outlier_detection[0].max_ejection_percent == 50 && google_compute_backend_service.api.outlier_detection[0].enforcing_consecutive_gateway_failure == 100
    error_message = "A failing region is ejected, never both."
  }

  assert {
    condition     = google_compute_global_forwarding_rule.https.port_range == "443" && google_compute_ssl_policy.this.min_tls_version == "TLS_1_2"
    error_message = "Only TLS 1.2 or newer is answered."
  }
}

run "each_region_and_the_name_are_checked_and_alerted" {
  command = apply

  assert {
    condition     = keys(google_monitoring_uptime_check_config.ready) == ["europe-west1", "europe-west4", "public"] && alltrue([for check in google_monitoring_uptime_check_config.ready : check.http_check[0].path == "/ready" && check.http_check[0].service_agent_authentication[0].type == "OIDC_TOKEN"])
    error_message = "The data path of each region and of the public name is asked, with a token."
  }

  assert {
    condition     = google_monitoring_uptime_check_config.ready["public"].monitored_resource[0].labels.host == "users.example.com"
    error_message = "The public name is asked as clients ask it."
  }

  assert {
    condition     = alltrue([for name, policy in google_monitoring_alert_policy.unready : strcontains(policy.conditions[0].condition_threshold[0].filter, google_monitoring_uptime_check_config.ready[name].uptime_check_id) && policy.notification_channels == tolist(var.notification_channels)])
    error_message = "Each alert looks at its own check, and is sent."
  }
}

run "a_platform_in_the_united_states_that_may_go" {
  command = plan

  variables {
    multi_region = "US"
    kms_key      = "projects/orrery-test/locations/us/keyRings/identity/cryptoKeys/data"

    regions = {
      us-central1 = "projects/orrery-test/locations/us-central1/keyRings/identity/cryptoKeys/secret"
      us-east1    = "projects/orrery-test/locations/us-east1/keyRings/identity/cryptoKeys/secret"
    }

    deletion_protection = false
  }

  assert {
    condition     = google_firestore_database.users.location_id == "nam5" && google_firestore_database.users.deletion_policy == "DELETE" && !google_secret_manager_secret.pepper.deletion_protection
    error_message = "The American multi-region is nam5; without protection everything can go."
  }
}

run "refuses_everybody_as_reader_of_avatars" {
  command         = plan
  expect_failures = [var.avatar_readers]

  variables {
    avatar_readers = ["allUsers"]
  }
}

run "refuses_everybody_as_writer_of_avatars" {
  command         = plan
  expect_failures = [var.avatar_writers]

  variables {
    avatar_writers = ["allAuthenticatedUsers"]
  }
}

run "refuses_backups_for_longer_than_firestore_keeps_them" {
  command         = plan
  expect_failures = [var.backup_retention_days]

  variables {
    backup_retention_days = 99
  }
}

run "refuses_no_concurrency" {
  command         = plan
  expect_failures = [var.concurrency]

  variables {
    concurrency = 0
  }
}

run "refuses_an_address_for_a_domain" {
  command         = plan
  expect_failures = [var.domain]

  variables {
    domain = "https://users.example.com"
  }
}

run "refuses_an_image_by_tag" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = "europe-docker.pkg.dev/orrery-test/identity/api:latest"
  }
}

run "refuses_everybody_as_invoker" {
  command         = plan
  expect_failures = [var.invokers]

  variables {
    invokers = ["allUsers"]
  }
}

run "refuses_a_key_without_a_path" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "data"
  }
}

run "refuses_a_key_elsewhere" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "projects/orrery-test/locations/us/keyRings/identity/cryptoKeys/data"
  }
}

run "refuses_a_label_in_upper_case" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { Stack = "x" }
  }
}

run "refuses_fewer_instances_at_most_than_at_least" {
  command         = plan
  expect_failures = [var.max_instances]

  variables {
    max_instances = 0
  }
}

run "refuses_instances_below_none" {
  command         = plan
  expect_failures = [var.min_instances]

  variables {
    min_instances = -1
  }
}

run "refuses_a_multi_region_that_firestore_has_not" {
  command         = plan
  expect_failures = [var.multi_region]

  variables {
    multi_region = "ASIA"
  }
}

run "refuses_a_name_that_is_too_long_for_a_service_account" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery-test-identity-platform-x"
  }
}

run "refuses_alerts_for_nobody" {
  command         = plan
  expect_failures = [var.notification_channels]

  variables {
    notification_channels = []
  }
}

run "refuses_a_project_in_upper_case" {
  command         = plan
  expect_failures = [var.project_id]

  variables {
    project_id = "Orrery"
  }
}

run "refuses_an_id_for_a_number" {
  command         = plan
  expect_failures = [var.project_number]

  variables {
    project_number = "orrery-test"
  }
}

run "refuses_a_single_region" {
  command         = plan
  expect_failures = [var.regions]

  variables {
    regions = { europe-west1 = "projects/orrery-test/locations/europe-west1/keyRings/identity/cryptoKeys/secret" }
  }
}

run "refuses_a_region_of_another_continent" {
  command         = plan
  expect_failures = [var.regions]

  variables {
    regions = { europe-west1 = "projects/orrery-test/locations/europe-west1/keyRings/identity/cryptoKeys/secret", us-east1 = "projects/orrery-test/locations/us-east1/keyRings/identity/cryptoKeys/secret" }
  }
}

run "refuses_a_regions_key_elsewhere" {
  command         = plan
  expect_failures = [var.regions]

  variables {
    regions = { europe-west1 = "projects/orrery-test/locations/europe-west1/keyRings/identity/cryptoKeys/secret", europe-west4 = "projects/orrery-test/locations/europe-west1/keyRings/identity/cryptoKeys/secret" }
  }
}
