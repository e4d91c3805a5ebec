mock_provider "google" {}

variables {
  name              = "orrery-test-identity"
  project_id        = "orrery-test"
  project_number    = "123456789012"
  access_log_bucket = "orrery-test-logs"
  bucket_kms_key    = "projects/orrery-test/locations/europe/keyRings/replica/cryptoKeys/avatars"
  dataset_kms_key   = "projects/orrery-test/locations/europe/keyRings/replica/cryptoKeys/users"
}

run "applies" {
  command = apply
}

run "refuses_a_bucket_key_without_a_path" {
  command         = plan
  expect_failures = [var.bucket_kms_key]

  variables {
    bucket_kms_key = "avatars"
  }
}

run "refuses_a_bucket_key_elsewhere" {
  command         = plan
  expect_failures = [var.bucket_kms_key]

  variables {
    bucket_kms_key = "projects/orrery-test/locations/us/keyRings/replica/cryptoKeys/avatars"
  }
}

run "refuses_a_dataset_key_without_a_path" {
  command         = plan
  expect_failures = [var.dataset_kms_key]

  variables {
    dataset_kms_key = "users"
  }
}

run "refuses_a_dataset_key_elsewhere" {
  command         = plan
  expect_failures = [var.dataset_kms_key]

  variables {
    dataset_kms_key = "projects/orrery-test/locations/europe-west1/keyRings/replica/cryptoKeys/users"
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
    multi_region = "ASIA"
  }
}

run "refuses_a_name_with_an_underscore" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery_test"
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

run "refuses_a_soft_deletion_under_a_week" {
  command         = plan
  expect_failures = [var.soft_delete_days]

  variables {
    soft_delete_days = 1
  }
}

run "refuses_everybody_as_writer" {
  command         = plan
  expect_failures = [var.writers]

  variables {
    writers = ["allAuthenticatedUsers"]
  }
}
