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

run "has_no_way_out_unless_it_is_asked_for" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.way_out) + length(aws_internet_gateway.way_out) + length(aws_route.through_nat) == 0
    error_message = "There is a way out that nobody asked for."
  }
}

run "has_one_for_https_alone_when_it_is" {
  command = plan

  variables {
    way_out = true
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.workloads_way_out[0].from_port == 443 && aws_vpc_security_group_egress_rule.workloads_way_out[0].to_port == 443
    error_message = "More than HTTPS leads out."
  }

  assert {
    condition     = !contains(values(local.subnets), aws_subnet.way_out[0].cidr_block)
    error_message = "The way out lies in a private subnet's range."
  }
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
