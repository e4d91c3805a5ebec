mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:us-east-1:111122223333:cluster/orrery-test" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = {
      arn                  = "arn:aws:ecs:us-east-1:111122223333:task-definition/orrery-test:1"
      arn_without_revision = "arn:aws:ecs:us-east-1:111122223333:task-definition/orrery-test"
    }
  }
}

variables {
  name               = "orrery-test"
  image              = "111122223333.dkr.ecr.us-east-1.amazonaws.com/orrery-test@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  heartbeat_pattern  = "{ $.event = \"finished\" }"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  dead_letter        = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:orrery-test-missed" }
  security_group_ids = ["sg-0123456789abcdef0"]
  subnet_ids         = ["subnet-0123456789abcdef0"]
  grants             = { read = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::orrery-test/*"] } }
  schedules          = { nightly = { command = ["nightly"], expression = "cron(45 2 * * ? *)" } }
}

run "applies" {
  command = apply

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["nightly"].target[0].input).containerOverrides[0].command[0] == "nightly"
    error_message = "The schedule's command must reach the container."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "The root file system must be read-only."
  }
}

run "refuses_an_image_by_tag" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/orrery-test:latest"
  }
}

run "refuses_a_wildcard_action" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { all = { actions = ["s3:*"], resources = ["arn:aws:s3:::orrery-test/*"] } }
  }
}

run "refuses_a_wildcard_resource" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { all = { actions = ["s3:GetObject"], resources = ["*"] } }
  }
}

run "refuses_a_grant_without_a_proper_name" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { "Read It" = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::orrery-test/*"] } }
  }
}

run "refuses_root" {
  command         = plan
  expect_failures = [var.user]

  variables {
    user = "0"
  }
}

run "refuses_a_cron_of_five_fields" {
  command         = plan
  expect_failures = [var.schedules]

  variables {
    schedules = { nightly = { command = ["nightly"], expression = "cron(45 2 * * *)" } }
  }
}

run "refuses_no_schedule" {
  command         = plan
  expect_failures = [var.schedules]

  variables {
    schedules = {}
  }
}

run "refuses_an_empty_command" {
  command         = plan
  expect_failures = [var.schedules]

  variables {
    schedules = { nightly = { command = [], expression = "rate(1 day)" } }
  }
}

run "refuses_an_odd_processor" {
  command         = plan
  expect_failures = [var.cpu]

  variables {
    cpu = 300
  }
}

run "refuses_too_little_memory" {
  command         = plan
  expect_failures = [var.memory_mb]

  variables {
    memory_mb = 128
  }
}

run "refuses_another_architecture" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "arm"
  }
}

run "refuses_a_secret_in_the_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { DB_PASSWORD = "correct-horse-9" }
  }
}

run "refuses_lower_case_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { bucket = "x" }
  }
}

run "refuses_an_unknown_retention" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 31
  }
}

run "refuses_a_name_in_capitals" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_no_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = []
  }
}

run "refuses_no_security_group" {
  command         = plan
  expect_failures = [var.security_group_ids]

  variables {
    security_group_ids = []
  }
}
