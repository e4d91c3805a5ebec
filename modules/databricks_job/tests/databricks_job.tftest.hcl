mock_provider "databricks" {}

variables {
  name          = "orrery-test"
  description   = "Does what a test needs."
  run_as        = "11111111-2222-3333-4444-555555555555"
  node_type     = "m6gd.large"
  spark_version = "16.4.x-scala2.12"
  workers       = { max = 4 }
  notify        = ["oncall@example.com"]
  tasks         = { load = { notebook = { path = "/Workspace/Shared/load" } } }
}

run "a_job_runs_on_what_its_policy_allows" {
  command = apply

  assert {
    condition     = databricks_job.this.job_cluster[0].new_cluster[0].policy_id == databricks_cluster_policy.this.id
    error_message = "The job's cluster follows the policy."
  }

  assert {
    condition     = jsondecode(databricks_cluster_policy.this.definition)["autoscale.max_workers"].maxValue == 4 && jsondecode(databricks_cluster_policy.this.definition)["custom_tags.job"].value == "orrery-test"
    error_message = "The policy limits the size, and demands the tags."
  }

  assert {
    condition     = databricks_job.this.max_concurrent_runs == 1 && databricks_job.this.run_as[0].service_principal_name == var.run_as && length(databricks_job.this.schedule) == 0
    error_message = "One run at a time, as the service principal, and only when somebody starts it."
  }

  assert {
    condition     = databricks_job.this.email_notifications[0].on_failure == tolist(["oncall@example.com"]) && length(databricks_permissions.job) == 0
    error_message = "Who is on call is told of a failure; nobody else has a right."
  }
}

run "tasks_follow_each_other" {
  command = plan

  variables {
    tasks = {
      clean  = { wheel = { file = "/Volumes/a/b/c/orders.whl", package = "orders", entry_point = "clean" } }
      add_up = { notebook = { path = "/Workspace/add_up" }, depends_on = ["clean"] }
    }
  }

  assert {
    condition     = { for task in databricks_job.this.task : task.task_key => join(",", task.depends_on[*].task_key) } == { add_up = "clean", clean = "" }
    error_message = "A task waits for those that it names."
  }

  assert {
    condition     = flatten([for task in databricks_job.this.task : task.library[*].whl]) == ["/Volumes/a/b/c/orders.whl"]
    error_message = "A task of a wheel brings the wheel."
  }
}

run "refuses_more_time_than_there_is" {
  command         = plan
  expect_failures = [var.expected_s]

  variables {
    expected_s = 14400
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery test"
  }
}

run "refuses_nobody_on_call" {
  command         = plan
  expect_failures = [var.notify]

  variables {
    notify = []
  }
}

run "refuses_a_person_to_run_as" {
  command         = plan
  expect_failures = [var.run_as]

  variables {
    run_as = "somebody@example.com"
  }
}

run "refuses_a_cron_of_five_fields" {
  command         = plan
  expect_failures = [var.schedule]

  variables {
    schedule = { cron = "30 4 * * *" }
  }
}

run "refuses_a_secret_in_a_setting" {
  command         = plan
  expect_failures = [var.spark_conf]

  variables {
    spark_conf = { "fs.azure.account.key.lake" = "secret" }
  }
}

run "refuses_a_runtime_that_is_none" {
  command         = plan
  expect_failures = [var.spark_version]

  variables {
    spark_version = "4.0"
  }
}

run "refuses_a_task_that_does_nothing" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { load = {} }
  }
}

run "refuses_a_task_after_itself" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { load = { notebook = { path = "/Workspace/load" }, depends_on = ["load"] } }
  }
}

run "refuses_a_task_for_a_second" {
  command         = plan
  expect_failures = [var.tasks]

  variables {
    tasks = { load = { notebook = { path = "/Workspace/load" }, timeout_s = 1 } }
  }
}

run "refuses_a_run_for_a_second" {
  command         = plan
  expect_failures = [var.timeout_s]

  variables {
    timeout_s = 1
  }
}

run "refuses_a_group_twice" {
  command         = plan
  expect_failures = [var.viewers]

  variables {
    managers = ["engineers"]
    viewers  = ["engineers"]
  }
}

run "refuses_fewer_workers_at_most_than_at_least" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = { min = 5, max = 4 }
  }
}
