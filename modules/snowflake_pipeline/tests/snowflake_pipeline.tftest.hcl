mock_provider "snowflake" {}

variables {
  name      = "ORRERY_TEST"
  comment   = "What a test needs"
  database  = "ORRERY_TEST_DATA"
  warehouse = "ORRERY_TEST"

  landing_tables = {
    MESSAGES   = { comment = "As they came", stream = "ARRIVALS", columns = [{ name = "RECORD", type = "VARIANT" }] }
    DELIVERIES = { comment = "The others", stream = "DELIVERED", prune = true, columns = [{ name = "RECORD", type = "VARIANT" }] }
  }

  loader_tables  = { OFFSETS = { comment = "How far", columns = [{ name = "NEXT_OFFSET", type = "NUMBER(19,0)" }] } }
  target_schemas = { WORK = { comment = "In between", readable = false }, SHOP = { comment = "The shop" } }

  tasks = {
    MERGE = {
      comment    = "Merges"
      watches    = ["MESSAGES", "DELIVERIES"]
      setup      = ["CREATE TABLE IF NOT EXISTS SHOP.ORDERS (ID NUMBER)"]
      statements = ["DELETE FROM SHOP.ORDERS", "INSERT INTO SHOP.ORDERS SELECT 1 -- the first"]
    }
  }
}

run "a_task_is_one_transaction_that_moves_its_streams_on" {
  command = apply

  assert {
    condition = snowflake_task.this["MERGE"].sql_statement == join("\n", [
      "BEGIN",
      "CREATE TABLE IF NOT EXISTS SHOP.ORDERS (ID NUMBER)\n;",
      "BEGIN TRANSACTION;",
      "DELETE FROM SHOP.ORDERS\n;",
      "INSERT INTO SHOP.ORDERS SELECT 1 -- the first\n;",
      "INSERT INTO ORRERY_TEST_DATA.LANDING.STREAM_SINK (ACTION) SELECT METADATA$ACTION FROM ORRERY_TEST_DATA.LANDING.DELIVERED WHERE 0 = 1;",
      "INSERT INTO ORRERY_TEST_DATA.LANDING.STREAM_SINK (ACTION) SELECT METADATA$ACTION FROM ORRERY_TEST_DATA.LANDING.ARRIVALS WHERE 0 = 1;",
      "COMMIT;",
      "EXCEPTION",
      "WHEN OTHER THEN",
      "ROLLBACK;",
      "RAISE;",
      "END",
    ])
    error_message = "Setup comes before the transaction, and the streams move on within it, also behind a statement that ends in a comment."
  }

  assert {
    condition     = snowflake_task.this["MERGE"].when == "SYSTEM$STREAM_HAS_DATA('ORRERY_TEST_DATA.LANDING.DELIVERED') OR SYSTEM$STREAM_HAS_DATA('ORRERY_TEST_DATA.LANDING.ARRIVALS')"
    error_message = "Each of its streams starts it."
  }

  assert {
    condition     = length(snowflake_task.this["MERGE"].schedule) == 0 && snowflake_task.this["MERGE"].user_task_minimum_trigger_interval_in_seconds == 30 && snowflake_task.this["MERGE"].warehouse == "ORRERY_TEST" && snowflake_task.this["MERGE"].started
    error_message = "Streams start it, no clock does, at most every half minute."
  }

  assert {
    condition     = snowflake_task.this["MERGE"].user_task_timeout_ms == 600000 && snowflake_task.this["MERGE"].suspend_task_after_num_failures == 10 && snowflake_task.this["MERGE"].allow_overlapping_execution == "false"
    error_message = "It ends, it gives up, and it runs once at a time."
  }

  assert {
    condition     = alltrue([for stream in snowflake_stream_on_table.this : stream.append_only == "true" && stream.show_initial_rows == "true" && stream.copy_grants])
    error_message = "A stream tells each row that lands, those from before it too, and keeps its rights when it is made anew."
  }

  assert {
    condition     = length(snowflake_notification_integration.this) == 0 && output.alarm_user_arn == null && output.stage == null
    error_message = "What isn't asked for isn't made."
  }
}

run "each_role_may_do_its_part" {
  command = apply

  variables {
    stage   = "FILES"
    loaders = ["LOADING"]
    mergers = ["MODELLING"]
    readers = ["ANALYST"]
  }

  assert {
    condition = { for key, grant in snowflake_grant_privileges_to_account_role.objects : key => join(" ", sort(grant.privileges)) if grant.account_role_name == "ORRERY_TEST_LOADER" } == {
      "LOADER DELIVERIES" = "INSERT"
      "LOADER MESSAGES"   = "INSERT"
      "LOADER OFFSETS"    = "DELETE INSERT SELECT TRUNCATE UPDATE"
      "LOADER stage"      = "READ WRITE"
    }
    error_message = "The loader adds to what has landed, and neither reads nor changes it."
  }

  assert {
    condition = { for key, grant in snowflake_grant_privileges_to_account_role.objects : key => join(" ", sort(grant.privileges)) if grant.account_role_name != "ORRERY_TEST_LOADER" } == {
      "MERGER ARRIVALS"   = "SELECT"
      "MERGER DELIVERED"  = "SELECT"
      "MERGER DELIVERIES" = "DELETE SELECT"
      "MERGER MESSAGES"   = "SELECT"
      "MERGER OFFSETS"    = "SELECT"
      "MERGER sink"       = "INSERT"
    }
    error_message = "The tasks read what has landed; they delete only where that is asked for."
  }

  assert {
    condition = { for key, grant in snowflake_grant_privileges_to_account_role.schema : key => join(", ", sort(grant.privileges)) } == {
      "LOADER LANDING" = "USAGE"
      "MERGER LANDING" = "USAGE"
      "MERGER SHOP"    = "CREATE TABLE, CREATE VIEW, USAGE"
      "MERGER WORK"    = "CREATE TABLE, CREATE VIEW, USAGE"
      "READER SHOP"    = "USAGE"
    }
    error_message = "Only the merger makes tables, and only in the targets; readers come to what is readable."
  }

  assert {
    condition     = keys(snowflake_grant_privileges_to_account_role.read) == ["SHOP TABLES", "SHOP VIEWS"] && alltrue([for grant in snowflake_grant_privileges_to_account_role.read : grant.privileges == toset(["SELECT"]) && grant.account_role_name == "ORRERY_TEST_READER"])
    error_message = "Readers may select and nothing more."
  }

  assert {
    condition     = snowflake_grant_privileges_to_account_role.account.privileges == toset(["EXECUTE TASK"]) && snowflake_grant_privileges_to_account_role.account.account_role_name == "ORRERY_TEST_MERGER" && snowflake_grant_ownership.tasks.account_role_name == "ORRERY_TEST_MERGER" && snowflake_grant_ownership.tasks.on[0].future[0].object_type_plural == "TASKS"
    error_message = "Tasks belong to the merger from their first moment, and the account lends it no more than that they run."
  }

  assert {
    condition = { for grant in snowflake_grant_account_role.members : grant.parent_role_name => grant.role_name } == {
      ANALYST   = "ORRERY_TEST_READER"
      LOADING   = "ORRERY_TEST_LOADER"
      MODELLING = "ORRERY_TEST_MERGER"
    }
    error_message = "The named roles inherit each its own."
  }

  assert {
    condition     = alltrue([for schema in concat([snowflake_schema.landing], values(snowflake_schema.target)) : schema.with_managed_access == "true" && schema.data_retention_time_in_days == 1])
    error_message = "Who owns a table decides nothing about who reads it."
  }
}

run "a_failed_run_is_told" {
  command = apply

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-test"
    alarm_role_arn  = "arn:aws:iam::111122223333:role/orrery-test"
  }

  assert {
    condition     = snowflake_task.this["MERGE"].error_integration == "ORRERY_TEST_ALARMS" && snowflake_notification_integration.this[0].aws_sns_topic_arn == "arn:aws:sns:us-east-1:111122223333:orrery-test" && snowflake_notification_integration.this[0].enabled
    error_message = "The topic hears of it."
  }

  assert {
    condition     = snowflake_grant_privileges_to_account_role.integration[0].account_role_name == "ORRERY_TEST_MERGER" && output.alarm_user_arn != null && output.alarm_external_id != null
    error_message = "The tasks' owner may use the integration, and the role can be told whom to trust."
  }
}

run "tasks_run_at_their_time" {
  command = apply

  variables {
    tasks = {
      MINUTES    = { comment = "Every two", every_s = 120, statements = ["DELETE FROM SHOP.ORDERS"] }
      SECONDS    = { comment = "Every so often", every_s = 45, statements = ["DELETE FROM SHOP.ORDERS"] }
      NIGHTLY    = { comment = "At night, if anything came", cron = "15 3 * * * UTC", watches = ["DELIVERIES"], statements = ["DELETE FROM SHOP.ORDERS"] }
      SERVERLESS = { comment = "Without a warehouse", serverless = "SMALL", every_s = 60, watches = ["MESSAGES"], statements = ["DELETE FROM SHOP.ORDERS"] }
      PAUSED     = { comment = "Not now", every_s = 60, started = false, failures_to_suspend = 0, statements = ["DELETE FROM SHOP.ORDERS"] }
    }
  }

  assert {
    condition     = snowflake_task.this["MINUTES"].schedule[0].minutes == 2 && snowflake_task.this["SECONDS"].schedule[0].seconds == 45 && snowflake_task.this["NIGHTLY"].schedule[0].using_cron == "15 3 * * * UTC" && snowflake_task.this["SERVERLESS"].schedule[0].minutes == 1
    error_message = "Each has its schedule."
  }

  assert {
    condition     = snowflake_task.this["SERVERLESS"].warehouse == null && snowflake_task.this["SERVERLESS"].user_task_managed_initial_warehouse_size == "SMALL" && snowflake_task.this["SERVERLESS"].when != null && snowflake_grant_privileges_to_account_role.account.privileges == toset(["EXECUTE MANAGED TASK", "EXECUTE TASK"])
    error_message = "A serverless task has no warehouse, and its owner may run it."
  }

  assert {
    condition     = snowflake_task.this["NIGHTLY"].when != null && snowflake_task.this["MINUTES"].when == null && !snowflake_task.this["PAUSED"].started && snowflake_task.this["PAUSED"].suspend_task_after_num_failures == 0
    error_message = "A task that watches nothing always runs; one that is paused doesn't."
  }
}

run "refuses_a_role_that_is_none" {
  command         = plan
  expect_failures = [var.alarm_role_arn]

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-test"
    alarm_role_arn  = "orrery-test"
  }
}

run "refuses_a_topic_without_a_role" {
  command         = plan
  expect_failures = [var.alarm_role_arn]

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-test"
  }
}

run "refuses_a_fifo_topic" {
  command         = plan
  expect_failures = [var.alarm_topic_arn]

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-test.fifo"
    alarm_role_arn  = "arn:aws:iam::111122223333:role/orrery-test"
  }
}

run "refuses_a_database_in_lower_case" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "sales"
  }
}

run "refuses_a_landing_schema_in_lower_case" {
  command         = plan
  expect_failures = [var.landing_schema]

  variables {
    landing_schema = "landing"
  }
}

run "refuses_a_landing_table_without_columns" {
  command         = plan
  expect_failures = [var.landing_tables]

  variables {
    landing_tables = { MESSAGES = { comment = "None", stream = "ARRIVALS", columns = [] }, DELIVERIES = { comment = "Some", stream = "DELIVERED", columns = [{ name = "A", type = "VARIANT" }] } }
  }
}

run "refuses_two_streams_of_one_name" {
  command         = plan
  expect_failures = [var.landing_tables]

  variables {
    landing_tables = { MESSAGES = { comment = "One", stream = "ARRIVALS", columns = [{ name = "A", type = "VARIANT" }] }, DELIVERIES = { comment = "Two", stream = "ARRIVALS", columns = [{ name = "A", type = "VARIANT" }] } }
  }
}

run "refuses_a_loader_table_in_lower_case" {
  command         = plan
  expect_failures = [var.loader_tables]

  variables {
    loader_tables = { offsets = { comment = "How far", columns = [{ name = "A", type = "VARIANT" }] } }
  }
}

run "refuses_a_table_for_two_purposes" {
  command         = plan
  expect_failures = [var.loader_tables]

  variables {
    loader_tables = { MESSAGES = { comment = "How far", columns = [{ name = "A", type = "VARIANT" }] } }
  }
}

run "refuses_everybody_as_loader" {
  command         = plan
  expect_failures = [var.loaders]

  variables {
    loaders = ["PUBLIC"]
  }
}

run "refuses_everybody_as_merger" {
  command         = plan
  expect_failures = [var.mergers]

  variables {
    mergers = ["PUBLIC"]
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

run "refuses_a_stage_in_lower_case" {
  command         = plan
  expect_failures = [var.stage]

  variables {
    stage = "files"
  }
}

run "refuses_no_target" {
  command         = plan
  expect_failures = [var.target_schemas]

  variables {
    target_schemas = {}
  }
}

run "refuses_to_merge_into_what_has_landed" {
  command         = plan
  expect_failures = [var.target_schemas]

  variables {
    target_schemas = { LANDING = { comment = "Both" } }
  }
}

run "refuses_no_task" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = {}
  }
}

run "refuses_two_statements_in_one" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", statements = ["DELETE FROM SHOP.ORDERS;"] } }
  }
}

run "refuses_a_statement_that_would_commit" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", statements = ["-- first\n  create or replace table SHOP.ORDERS (ID NUMBER)"] } }
  }
}

run "refuses_to_watch_what_is_not_there" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", watches = ["PARCELS"], statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_two_tasks_on_one_stream" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = {
      MERGE = { comment = "Merges", watches = ["MESSAGES"], statements = ["DELETE FROM SHOP.ORDERS"] }
      COUNT = { comment = "Counts", watches = ["MESSAGES"], statements = ["DELETE FROM SHOP.ORDERS"] }
    }
  }
}

run "refuses_two_schedules" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", every_s = 60, cron = "15 3 * * * UTC", statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_a_run_each_second" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", every_s = 1, statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_a_run_without_end" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", timeout_s = 604800, statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_half_a_failure" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", failures_to_suspend = 0.5, statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_a_size_that_is_none" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { MERGE = { comment = "Merges", serverless = "HUGE", statements = ["DELETE FROM SHOP.ORDERS"] } }
  }
}

run "refuses_no_time_travel" {
  command         = plan
  expect_failures = [var.time_travel_days]

  variables {
    time_travel_days = 0
  }
}

run "refuses_a_warehouse_with_a_hyphen" {
  command         = plan
  expect_failures = [var.warehouse]

  variables {
    warehouse = "ORRERY-TEST"
  }
}
