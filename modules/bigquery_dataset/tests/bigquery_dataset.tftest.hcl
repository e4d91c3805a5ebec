mock_provider "google" {}

variables {
  name           = "orrery_test"
  description    = "What a test needs"
  project_id     = "orrery-test"
  project_number = "123456789012"
  kms_key        = "projects/orrery-test/locations/europe/keyRings/data/cryptoKeys/test"

  tables = {
    events = {
      description = "One row for each event"
      clustering  = ["kind"]
      partition   = { field = "at" }
      schema      = "[{\"name\": \"at\", \"type\": \"TIMESTAMP\"}, {\"name\": \"kind\", \"type\": \"STRING\"}]"
      writers     = ["group:loaders@example.com"]
    }
  }
}

run "a_table_is_encrypted_protected_and_partitioned" {
  command = apply

  assert {
    condition     = google_bigquery_table.this["events"].encryption_configuration[0].kms_key_name == var.kms_key && google_bigquery_table.this["events"].deletion_protection
    error_message = "A table is encrypted with the customer's key, and protected."
  }

  assert {
    condition     = google_bigquery_table.this["events"].time_partitioning[0].type == "DAY"
    error_message = "A table is split by day, unless asked otherwise."
  }

  assert {
    condition     = output.tables == { events = "orrery-test.orrery_test.events" }
    error_message = "A table is given back with its full name."
  }

  assert {
    condition     = [for grant in google_bigquery_table_iam_member.writer : "${grant.table_id} ${grant.member}"] == ["events group:loaders@example.com"] && length(google_bigquery_dataset_iam_member.writer) == 0
    error_message = "Who writes to a table has no right to the dataset."
  }
}

run "days_become_milliseconds" {
  command = plan

  variables {
    partition_expiration_days = 1
    table_expiration_days     = 2
    time_travel_days          = 3
  }

  assert {
    condition     = google_bigquery_dataset.this.default_partition_expiration_ms == 86400000 && google_bigquery_dataset.this.default_table_expiration_ms == 172800000 && google_bigquery_dataset.this.max_time_travel_hours == "72"
    error_message = "BigQuery counts expiry in milliseconds, and time travel in hours."
  }
}

run "a_region_of_its_own" {
  command = plan

  variables {
    location = "europe-west3"
    kms_key  = "projects/orrery-test/locations/europe-west3/keyRings/data/cryptoKeys/test"
    tables   = {}
  }

  assert {
    condition     = google_bigquery_dataset.this.location == "europe-west3"
    error_message = "A dataset may lie in one region."
  }
}

run "refuses_a_key_without_a_path" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "test"
  }
}

run "refuses_a_key_elsewhere" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "projects/orrery-test/locations/us/keyRings/data/cryptoKeys/test"
  }
}

run "refuses_a_label_in_upper_case" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { Stack = "x" }
  }
}

run "refuses_a_location_that_is_none" {
  command         = plan
  expect_failures = [var.location]

  variables {
    location = "Europe"
  }
}

run "refuses_a_name_with_a_hyphen" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery-test"
  }
}

run "refuses_an_expiry_of_partitions_in_the_past" {
  command         = plan
  expect_failures = [var.partition_expiration_days]

  variables {
    partition_expiration_days = -1
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

run "refuses_an_expiry_of_tables_in_the_past" {
  command         = plan
  expect_failures = [var.table_expiration_days]

  variables {
    table_expiration_days = -1
  }
}

run "refuses_a_schema_that_is_no_list_of_columns" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = { events = { description = "Broken", schema = "{\"at\": \"TIMESTAMP\"}" } }
  }
}

run "refuses_a_partition_by_no_column" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = { events = { description = "Broken", partition = { field = "when" }, schema = "[{\"name\": \"at\", \"type\": \"TIMESTAMP\"}]" } }
  }
}

run "refuses_clustering_by_five_columns" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = { events = { description = "Broken", clustering = ["a", "a", "a", "a", "a"], schema = "[{\"name\": \"a\", \"type\": \"STRING\"}]" } }
  }
}

run "refuses_a_partition_by_week" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = { events = { description = "Broken", partition = { field = "at", by = "WEEK" }, schema = "[{\"name\": \"at\", \"type\": \"TIMESTAMP\"}]" } }
  }
}

run "refuses_everybody_as_a_tables_writer" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = { events = { description = "Broken", schema = "[]", writers = ["allUsers"] } }
  }
}

run "refuses_time_travel_of_a_day" {
  command         = plan
  expect_failures = [var.time_travel_days]

  variables {
    time_travel_days = 1
  }
}

run "refuses_a_view_with_the_name_of_a_table" {
  command         = plan
  expect_failures = [var.views]

  variables {
    views = { events = { description = "Twice", query = "SELECT 1" } }
  }
}

run "refuses_everybody_as_writer" {
  command         = plan
  expect_failures = [var.writers]

  variables {
    writers = ["allAuthenticatedUsers"]
  }
}
