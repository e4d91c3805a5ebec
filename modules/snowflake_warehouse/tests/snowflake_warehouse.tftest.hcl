mock_provider "snowflake" {}

variables {
  name              = "ORRERY_TEST"
  comment           = "What a test needs"
  credits_per_month = 10
  database          = "ORRERY_TEST_DATA"
  schemas           = { MARTS = "Facts" }
}

run "a_warehouse_stops_and_is_limited" {
  command = apply

  assert {
    condition     = snowflake_warehouse.this.auto_suspend == 60 && snowflake_warehouse.this.initially_suspended && snowflake_warehouse.this.warehouse_size == "XSMALL"
    error_message = "A warehouse is small, and stops a minute after its last query."
  }

  assert {
    condition     = snowflake_warehouse.this.resource_monitor == snowflake_resource_monitor.this.name && snowflake_resource_monitor.this.credit_quota == 10 && snowflake_resource_monitor.this.suspend_immediate_trigger == 100
    error_message = "Its credits are limited."
  }
}

run "roles_follow_each_other" {
  command = plan

  variables {
    readers = ["ANALYST"]
    writers = ["LOADER"]
  }

  assert {
    condition     = snowflake_grant_account_role.reader_to_writer.role_name == "ORRERY_TEST_DATA_READER" && snowflake_grant_account_role.reader_to_writer.parent_role_name == "ORRERY_TEST_DATA_WRITER"
    error_message = "Who writes may read."
  }

  assert {
    condition     = snowflake_grant_account_role.readers["ANALYST"].role_name == "ORRERY_TEST_DATA_READER" && snowflake_grant_account_role.writers["LOADER"].role_name == "ORRERY_TEST_DATA_WRITER"
    error_message = "The named roles inherit reading and writing."
  }

  assert {
    condition     = alltrue([for grant in snowflake_grant_privileges_to_account_role.read : grant.privileges == toset(["SELECT"]) && grant.account_role_name == "ORRERY_TEST_DATA_READER"]) && snowflake_schema.this["MARTS"].with_managed_access == "true"
    error_message = "Readers may select and nothing more, and who makes a table grants nothing."
  }
}

run "refuses_a_warehouse_that_never_stops" {
  command         = plan
  expect_failures = [var.auto_suspend_s]

  variables {
    auto_suspend_s = 0
  }
}

run "refuses_no_credits" {
  command         = plan
  expect_failures = [var.credits_per_month]

  variables {
    credits_per_month = 0
  }
}

run "refuses_a_database_in_lower_case" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "sales"
  }
}

run "refuses_no_cluster" {
  command         = plan
  expect_failures = [var.max_clusters]

  variables {
    max_clusters = 0
  }
}

run "refuses_a_name_with_a_hyphen" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "ORRERY-TEST"
  }
}

run "refuses_everybody_as_reader" {
  command         = plan
  expect_failures = [var.readers]

  variables {
    readers = ["PUBLIC"]
  }
}

run "refuses_no_schema" {
  command         = plan
  expect_failures = [var.schemas]

  variables {
    schemas = {}
  }
}

run "refuses_a_size_that_is_none" {
  command         = plan
  expect_failures = [var.size]

  variables {
    size = "HUGE"
  }
}

run "refuses_a_query_for_a_week" {
  command         = plan
  expect_failures = [var.statement_timeout_s]

  variables {
    statement_timeout_s = 604800
  }
}

run "refuses_no_time_travel" {
  command         = plan
  expect_failures = [var.time_travel_days]

  variables {
    time_travel_days = 0
  }
}

run "refuses_everybody_as_writer" {
  command         = plan
  expect_failures = [var.writers]

  variables {
    writers = ["PUBLIC"]
  }
}
