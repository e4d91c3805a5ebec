mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111122223333:orrery-test" }
  }
}

variables {
  name        = "orrery-test-topic"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "applies" {
  command = apply
}

run "refuses_a_publisher_with_a_domain" {
  command         = plan
  expect_failures = [var.allowed_publishers]

  variables {
    allowed_publishers = [{ service = "s3.amazonaws.com", source_arn = "arn:aws:s3:::x" }]
  }
}

run "refuses_a_publisher_for_anybody" {
  command         = plan
  expect_failures = [var.allowed_publishers]

  variables {
    allowed_publishers = [{ service = "s3", source_arn = "*" }]
  }
}

run "refuses_a_name_with_a_dot" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery.topic"
  }
}

run "refuses_plain_http" {
  command         = plan
  expect_failures = [var.subscriptions]

  variables {
    subscriptions = { site = { protocol = "http", endpoint = "http://example.com" } }
  }
}

run "refuses_raw_email" {
  command         = plan
  expect_failures = [var.subscriptions]

  variables {
    subscriptions = { mail = { protocol = "email", endpoint = "a@example.com", raw = true } }
  }
}
