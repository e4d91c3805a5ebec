mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name        = "orrery-test"
  description = "For the test."
  account_id  = "111122223333"
}

run "a_primary_rotates" {
  command = plan

  assert {
    condition     = aws_kms_key.primary[0].enable_key_rotation && !aws_kms_key.primary[0].multi_region
    error_message = "A key must rotate, and be of one region unless asked otherwise."
  }
}

run "a_replica_is_no_primary" {
  command = plan

  variables {
    replica_of = { key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
  }

  assert {
    condition     = length(aws_kms_key.primary) == 0 && length(aws_kms_replica_key.replica) == 1
    error_message = "A replica must not make key material of its own."
  }
}

run "account_id_is_twelve_digits" {
  command         = plan
  expect_failures = [var.account_id]

  variables {
    account_id = "1111-2222-3333"
  }
}

run "deletion_waits_a_week_at_least" {
  command         = plan
  expect_failures = [var.deletion_window_days]

  variables {
    deletion_window_days = 6
  }
}

run "description_is_needed" {
  command         = plan
  expect_failures = [var.description]

  variables {
    description = ""
  }
}

run "name_has_no_alias_prefix" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "alias/orrery-test"
  }
}

run "a_replica_of_a_single_region_key" {
  command         = plan
  expect_failures = [var.replica_of]

  variables {
    replica_of = { key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

run "a_replica_is_not_also_a_primary" {
  command         = plan
  expect_failures = [var.replica_of]

  variables {
    multi_region = true
    replica_of   = { key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
  }
}

run "services_are_first_labels" {
  command         = plan
  expect_failures = [var.services]

  variables {
    services = ["sns.amazonaws.com"]
  }
}
