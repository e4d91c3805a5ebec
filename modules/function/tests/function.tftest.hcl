mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:111122223333:orrery-test-dlq" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:orrery-test" }
  }
}

variables {
  name           = "orrery-test-loader"
  handler        = "handler.handler"
  kms_key_arn    = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  package_path   = "loader.zip"
  package_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
}

run "applies" {
  command = apply
}

run "refuses_an_unknown_processor" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "amd64"
  }
}

run "refuses_an_age_under_a_minute" {
  command         = plan
  expect_failures = [var.async_max_age_s]

  variables {
    async_max_age_s = 59
  }
}

run "refuses_three_retries" {
  command         = plan
  expect_failures = [var.async_retries]

  variables {
    async_retries = 3
  }
}

run "refuses_a_reserved_environment_name" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { AWS_REGION = "us-east-1" }
  }
}

run "refuses_too_little_storage" {
  command         = plan
  expect_failures = [var.ephemeral_storage_mb]

  variables {
    ephemeral_storage_mb = 256
  }
}

run "refuses_every_action" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { all = { actions = ["*"], resources = ["arn:aws:s3:::x"] } }
  }
}

run "refuses_a_wildcard_in_an_action" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { read = { actions = ["s3:Get*"], resources = ["arn:aws:s3:::x/*"] } }
  }
}

run "refuses_all_resources_without_a_reason" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { read = { actions = ["s3:GetObject"], resources = ["*"] } }
  }
}

run "refuses_a_grant_of_nothing" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { read = { actions = [], resources = ["arn:aws:s3:::x"] } }
  }
}

run "refuses_a_grant_with_a_space" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { "read it" = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::x/*"] } }
  }
}

run "refuses_a_handler_without_a_function" {
  command         = plan
  expect_failures = [var.handler]

  variables {
    handler = "handler"
  }
}

run "refuses_a_bucket_of_nobody" {
  command         = plan
  expect_failures = [var.invoke_permissions]

  variables {
    invoke_permissions = { landing = { service = "s3", source_arn = "arn:aws:s3:::x" } }
  }
}

run "refuses_a_caller_with_a_domain" {
  command         = plan
  expect_failures = [var.invoke_permissions]

  variables {
    invoke_permissions = { events = { service = "events.amazonaws.com", source_arn = "arn:aws:events:us-east-1:111122223333:rule/x" } }
  }
}

run "refuses_a_caller_with_a_dot_in_its_name" {
  command         = plan
  expect_failures = [var.invoke_permissions]

  variables {
    invoke_permissions = { "landing.bucket" = { service = "sns", source_arn = "arn:aws:sns:us-east-1:111122223333:x" } }
  }
}

run "refuses_six_layers" {
  command         = plan
  expect_failures = [var.layers]

  variables {
    layers = ["a", "b", "c", "d", "e", "f"]
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_too_much_memory" {
  command         = plan
  expect_failures = [var.memory_mb]

  variables {
    memory_mb = 20480
  }
}

run "refuses_a_name_with_a_dot" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery.loader"
  }
}

run "refuses_a_large_package_without_a_bucket" {
  command         = plan
  expect_failures = [var.package_bytes]

  variables {
    package_bytes = 52428801
  }
}

run "refuses_a_package_that_is_no_zip" {
  command         = plan
  expect_failures = [var.package_path]

  variables {
    package_path = "loader.tar.gz"
  }
}

run "refuses_a_hash_in_hex" {
  command         = plan
  expect_failures = [var.package_sha256]

  variables {
    package_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }
}

run "refuses_half_a_call_at_once" {
  command         = plan
  expect_failures = [var.reserved_concurrency]

  variables {
    reserved_concurrency = 0.5
  }
}

run "refuses_a_runtime_of_the_past" {
  command         = plan
  expect_failures = [var.runtime]

  variables {
    runtime = "python3.8"
  }
}

run "refuses_security_groups_without_subnets" {
  command         = plan
  expect_failures = [var.security_group_ids]

  variables {
    security_group_ids = ["sg-0a1b2c3d"]
  }
}

run "refuses_a_timeout_over_15_minutes" {
  command         = plan
  expect_failures = [var.timeout_s]

  variables {
    timeout_s = 901
  }
}
