mock_provider "google" {}

variables {
  name              = "orrery-test-landing"
  project_id        = "orrery-test"
  project_number    = "123456789012"
  access_log_bucket = "orrery-test-logs"
  kms_key           = "projects/orrery-test/locations/europe/keyRings/data/cryptoKeys/landing"
}

run "a_bucket_is_closed_versioned_and_encrypted" {
  command = apply

  assert {
    condition     = google_storage_bucket.this.public_access_prevention == "enforced" && google_storage_bucket.this.uniform_bucket_level_access
    error_message = "No bucket may be made public, by policy or by an object's own access list."
  }

  assert {
    condition     = google_storage_bucket.this.versioning[0].enabled && google_storage_bucket.this.encryption[0].default_kms_key_name == var.kms_key
    error_message = "A bucket keeps versions and is encrypted with the customer's key."
  }

  assert {
    condition     = length(google_storage_bucket.this.custom_placement_config) == 0 && google_storage_bucket.this.rpo == "DEFAULT"
    error_message = "Without regions the places are Google's choice, and turbo replication can't be had."
  }
}

run "two_regions_hold_every_object" {
  command = plan

  variables {
    multi_region      = "US"
    regions           = ["us-east1", "us-west1"]
    kms_key           = "projects/orrery-test/locations/us/keyRings/data/cryptoKeys/landing"
    turbo_replication = true
  }

  assert {
    condition     = google_storage_bucket.this.custom_placement_config[0].data_locations == toset(["US-EAST1", "US-WEST1"]) && google_storage_bucket.this.rpo == "ASYNC_TURBO"
    error_message = "The two regions must be named, with turbo replication between them."
  }
}

run "old_objects_move_and_go" {
  command = plan

  variables {
    transitions      = { NEARLINE = 30, ARCHIVE = 365 }
    expiration_days  = 730
    retention_days   = 90
    retention_locked = true
  }

  assert {
    condition     = tomap({ for rule in google_storage_bucket.this.lifecycle_rule : one(rule.action).storage_class => one(rule.condition).age if one(rule.action).type == "SetStorageClass" }) == tomap({ NEARLINE = 30, ARCHIVE = 365 })
    error_message = "Each transition is a rule."
  }

  assert {
    condition     = [for rule in google_storage_bucket.this.lifecycle_rule : one(rule.condition).age if one(rule.action).type == "Delete" && one(rule.condition).with_state == "LIVE"] == [730]
    error_message = "An object goes when it is as old as that."
  }

  assert {
    condition     = google_storage_bucket.this.retention_policy[0].is_locked && tonumber(google_storage_bucket.this.retention_policy[0].retention_period) == 90 * 86400
    error_message = "The retention is in seconds, and locked when asked."
  }
}

run "refuses_its_own_log" {
  command         = plan
  expect_failures = [var.access_log_bucket]

  variables {
    access_log_bucket = "orrery-test-landing"
  }
}

run "refuses_an_expiry_before_the_retention_ends" {
  command         = plan
  expect_failures = [var.expiration_days]

  variables {
    expiration_days = 10
    retention_days  = 30
  }
}

run "refuses_a_key_without_a_path" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "landing"
  }
}

run "refuses_a_key_elsewhere" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "projects/orrery-test/locations/us/keyRings/data/cryptoKeys/landing"
  }
}

run "refuses_a_label_in_upper_case" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { Stack = "x" }
  }
}

run "refuses_a_multi_region_that_is_none" {
  command         = plan
  expect_failures = [var.multi_region]

  variables {
    multi_region = "AFRICA"
  }
}

run "refuses_a_name_in_upper_case" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery-Test"
  }
}

run "refuses_versions_for_no_time" {
  command         = plan
  expect_failures = [var.noncurrent_version_days]

  variables {
    noncurrent_version_days = 0
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

run "refuses_everybody_as_reader" {
  command         = plan
  expect_failures = [var.readers]

  variables {
    readers = ["allUsers"]
  }
}

run "refuses_the_same_region_twice" {
  command         = plan
  expect_failures = [var.regions]

  variables {
    regions = ["europe-west1", "europe-west1"]
  }
}

run "refuses_a_region_elsewhere" {
  command         = plan
  expect_failures = [var.regions]

  variables {
    regions = ["europe-west1", "us-east1"]
  }
}

run "refuses_a_retention_below_none" {
  command         = plan
  expect_failures = [var.retention_days]

  variables {
    retention_days = -1
  }
}

run "refuses_a_lock_without_a_retention" {
  command         = plan
  expect_failures = [var.retention_locked]

  variables {
    retention_locked = true
  }
}

run "refuses_a_soft_deletion_under_a_week" {
  command         = plan
  expect_failures = [var.soft_delete_days]

  variables {
    soft_delete_days = 1
  }
}

run "refuses_a_storage_class_that_is_none" {
  command         = plan
  expect_failures = [var.transitions]

  variables {
    transitions = { GLACIER = 30 }
  }
}

run "refuses_turbo_replication_without_regions" {
  command         = plan
  expect_failures = [var.turbo_replication]

  variables {
    turbo_replication = true
  }
}

run "refuses_everybody_as_writer" {
  command         = plan
  expect_failures = [var.writers]

  variables {
    writers = ["allAuthenticatedUsers"]
  }
}
