mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name        = "orrery-test-queue"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "applies" {
  command = apply
}

run "refuses_an_account_that_is_none" {
  command         = plan
  expect_failures = [var.account_id]

  variables {
    account_id = "prod"
  }
}

run "refuses_a_publisher_with_a_domain" {
  command         = plan
  expect_failures = [var.allowed_publishers]

  variables {
    allowed_publishers = [{ service = "sns.amazonaws.com", source_arn = "arn:aws:sns:us-east-1:111122223333:x" }]
  }
}

run "refuses_a_delay_over_15_minutes" {
  command         = plan
  expect_failures = [var.delay_s]

  variables {
    delay_s = 901
  }
}

run "refuses_no_delivery_at_all" {
  command         = plan
  expect_failures = [var.max_receive_count]

  variables {
    max_receive_count = 0
  }
}

run "refuses_a_name_with_a_dot" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery.queue"
  }
}

run "refuses_a_retention_over_14_days" {
  command         = plan
  expect_failures = [var.retention_s]

  variables {
    retention_s = 1209601
  }
}

run "refuses_a_timeout_over_12_hours" {
  command         = plan
  expect_failures = [var.visibility_timeout_s]

  variables {
    visibility_timeout_s = 43201
  }
}
