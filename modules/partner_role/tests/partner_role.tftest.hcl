mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the role's arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name          = "orrery-test"
  description   = "What a test needs"
  principal_arn = "arn:aws:iam::444455556666:user/partner"
  external_id   = "TEST_SFCRole=1_abc="
  grants        = { publish = { actions = ["sns:Publish"], resources = ["arn:aws:sns:us-east-1:111122223333:orrery-test"] } }
}

run "trusts_one_principal_with_its_external_id" {
  command = apply

  assert {
    condition     = one(one(data.aws_iam_policy_document.assume.statement).condition).values == tolist(["TEST_SFCRole=1_abc="]) && one(one(data.aws_iam_policy_document.assume.statement).condition).variable == "sts:ExternalId"
    error_message = "Without its external ID nobody takes the role."
  }

  assert {
    condition     = one(one(data.aws_iam_policy_document.assume.statement).principals).identifiers == toset(["arn:aws:iam::444455556666:user/partner"])
    error_message = "It trusts one principal."
  }
}

run "refuses_an_external_id_with_a_space" {
  command         = plan
  expect_failures = [var.external_id]

  variables {
    external_id = "any thing"
  }
}

run "refuses_a_role_for_nothing" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = {}
  }
}

run "refuses_a_wildcard_action" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { publish = { actions = ["sns:*"], resources = ["arn:aws:sns:us-east-1:111122223333:orrery-test"] } }
  }
}

run "refuses_a_grant_of_nothing" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { publish = { actions = ["sns:Publish"], resources = [] } }
  }
}

run "refuses_all_resources" {
  command         = plan
  expect_failures = [var.grants]

  variables {
    grants = { publish = { actions = ["sns:Publish"], resources = ["*"] } }
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "partner role"
  }
}

run "refuses_a_whole_account" {
  command         = plan
  expect_failures = [var.principal_arn]

  variables {
    principal_arn = "arn:aws:iam::444455556666:root"
  }
}
