mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the role's arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name        = "orrery-test-fault-role"
  account_id  = "111122223333"
  table_arns  = ["arn:aws:dynamodb:us-east-1:111122223333:table/orrery-test"]
  bucket_arns = ["arn:aws:s3:::orrery-test"]
}

run "applies" {
  command = apply
}

run "refuses_an_account_that_is_none" {
  command         = plan
  expect_failures = [var.account_id]

  variables {
    account_id = "1111-2222-3333"
  }
}

run "refuses_all_buckets" {
  command         = plan
  expect_failures = [var.bucket_arns]

  variables {
    bucket_arns = ["arn:aws:s3:::*"]
  }
}

run "refuses_all_tables" {
  command         = plan
  expect_failures = [var.table_arns]

  variables {
    table_arns = ["arn:aws:dynamodb:us-east-1:111122223333:table/*"]
  }
}

run "refuses_a_role_for_nothing" {
  command         = plan
  expect_failures = [var.table_arns]

  variables {
    table_arns  = []
    bucket_arns = []
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "fault role"
  }
}
