mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
}

variables {
  name        = "orrery-test-sweep"
  expression  = "rate(1 day)"
  target_arn  = "arn:aws:lambda:us-east-1:111122223333:function:orrery-test"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "applies" {
  command = apply
}

run "refuses_a_cron_of_five_fields" {
  command         = plan
  expect_failures = [var.expression]

  variables {
    expression = "cron(0 3 * * ?)"
  }
}

run "refuses_a_rate_of_nothing" {
  command         = plan
  expect_failures = [var.expression]

  variables {
    expression = "rate(0 days)"
  }
}

run "refuses_a_window_over_a_day" {
  command         = plan
  expect_failures = [var.flexible_window_minutes]

  variables {
    flexible_window_minutes = 1441
  }
}

run "refuses_input_that_is_no_json" {
  command         = plan
  expect_failures = [var.input]

  variables {
    input = "task=sweep"
  }
}

run "refuses_an_age_under_a_minute" {
  command         = plan
  expect_failures = [var.max_event_age_s]

  variables {
    max_event_age_s = 59
  }
}

run "refuses_too_many_retries" {
  command         = plan
  expect_failures = [var.max_retries]

  variables {
    max_retries = 186
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "nightly sweep"
  }
}

run "refuses_a_bucket_as_target" {
  command         = plan
  expect_failures = [var.target_arn]

  variables {
    target_arn = "arn:aws:s3:::orrery-test"
  }
}

run "refuses_a_time_zone_that_is_none" {
  command         = plan
  expect_failures = [var.timezone]

  variables {
    timezone = "CET+1"
  }
}
