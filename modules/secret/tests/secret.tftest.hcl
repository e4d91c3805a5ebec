# Not a mock: Terraform's mocks know no ephemeral resources. A plan that creates a secret calls AWS nowhere.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name        = "orrery-test/loader"
  description = "For the test."
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "a_deleted_secret_can_be_had_back" {
  command = plan

  assert {
    condition     = aws_secretsmanager_secret.this.recovery_window_in_days == 30
    error_message = "A secret must be recoverable unless asked otherwise."
  }
}

run "the_value_is_not_in_the_plan" {
  command = plan

  variables {
    value = "correct horse battery staple"
  }

  assert {
    condition     = aws_secretsmanager_secret_version.this.secret_string == null
    error_message = "The value must only be passed as a write-only argument."
  }
}

run "a_rotation_is_attached" {
  command = plan

  variables {
    rotation = { function_arn = "arn:aws:lambda:us-east-1:111122223333:function:rotate" }
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.this[0].rotation_rules[0].automatically_after_days == 30
    error_message = "The value must be changed every 30 days unless asked otherwise."
  }
}

run "description_is_needed" {
  command         = plan
  expect_failures = [var.description]

  variables {
    description = ""
  }
}

run "a_drawn_value_is_long" {
  command         = plan
  expect_failures = [var.generate]

  variables {
    generate = { length = 8 }
  }
}

run "json_fields_need_a_key" {
  command         = plan
  expect_failures = [var.generate]

  variables {
    generate = { json_fields = { username = "loader" } }
  }
}

run "the_key_is_an_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "alias/orrery-test"
  }
}

run "name_does_not_look_like_an_arns_end" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery-loader"
  }
}

run "recovery_takes_a_week_at_least" {
  command         = plan
  expect_failures = [var.recovery_window_days]

  variables {
    recovery_window_days = 3
  }
}

run "replicas_are_keyed_by_region" {
  command         = plan
  expect_failures = [var.replicas]

  variables {
    replicas = { europe = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

run "rotation_is_within_a_quarter" {
  command         = plan
  expect_failures = [var.rotation]

  variables {
    rotation = { function_arn = "arn:aws:lambda:us-east-1:111122223333:function:rotate", every_days = 365 }
  }
}

run "a_given_value_is_not_empty" {
  command         = plan
  expect_failures = [var.value]

  variables {
    value = ""
  }
}

run "versions_are_whole_numbers" {
  command         = plan
  expect_failures = [var.value_version]

  variables {
    value_version = 1.5
  }
}
