mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:orrery-test" }
  }
}

variables {
  name               = "orrery-test-network"
  availability_zones = ["us-east-1a", "us-east-1b"]
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "applies" {
  command = apply
}

run "refuses_a_single_zone" {
  command         = plan
  expect_failures = [var.availability_zones]

  variables {
    availability_zones = ["us-east-1a"]
  }
}

run "refuses_the_same_zone_twice" {
  command         = plan
  expect_failures = [var.availability_zones]

  variables {
    availability_zones = ["us-east-1a", "us-east-1a"]
  }
}

run "refuses_a_range_too_small_to_divide" {
  command         = plan
  expect_failures = [var.cidr]

  variables {
    cidr = "10.0.0.0/24"
  }
}

run "refuses_a_range_that_is_none" {
  command         = plan
  expect_failures = [var.cidr]

  variables {
    cidr = "10.0.0.0"
  }
}

run "refuses_a_gateway_that_aws_has_not" {
  command         = plan
  expect_failures = [var.gateway_endpoints]

  variables {
    gateway_endpoints = ["sqs"]
  }
}

run "refuses_a_full_service_name" {
  command         = plan
  expect_failures = [var.interface_endpoints]

  variables {
    interface_endpoints = ["com.amazonaws.us-east-1.kms"]
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "my network"
  }
}
