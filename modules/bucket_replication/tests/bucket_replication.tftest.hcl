mock_provider "aws" {
  alias = "a"

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

mock_provider "aws" {
  alias = "b"

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
}

variables {
  name       = "orrery-test"
  account_id = "111122223333"

  a = {
    name        = "orrery-test-us"
    arn         = "arn:aws:s3:::orrery-test-us"
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  b = {
    name        = "orrery-test-eu"
    arn         = "arn:aws:s3:::orrery-test-eu"
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
}

run "each_bucket_is_encrypted_with_its_own_regions_key" {
  command = plan

  providers = {
    aws.a = aws.a
    aws.b = aws.b
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_replication_configuration.a_to_b.rule[0].destination[0].encryption_configuration[0].replica_kms_key_id == var.b.kms_key_arn,
      aws_s3_bucket_replication_configuration.b_to_a.rule[0].destination[0].encryption_configuration[0].replica_kms_key_id == var.a.kms_key_arn,
    ])
    error_message = "Replicas must be encrypted with the key of the bucket they arrive in."
  }
}

run "account_id_is_twelve_digits" {
  command         = plan
  expect_failures = [var.account_id]

  providers = {
    aws.a = aws.a
    aws.b = aws.b
  }

  variables {
    account_id = "111122223333x"
  }
}

run "a_bucket_does_not_replicate_to_itself" {
  command         = plan
  expect_failures = [var.b]

  providers = {
    aws.a = aws.a
    aws.b = aws.b
  }

  variables {
    b = {
      name        = "orrery-test-us"
      arn         = "arn:aws:s3:::orrery-test-us"
      kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    }
  }
}

run "name_leaves_room_for_the_direction" {
  command         = plan
  expect_failures = [var.name]

  providers = {
    aws.a = aws.a
    aws.b = aws.b
  }

  variables {
    name = "orrery-test-with-a-name-that-is-just-too-long-for-a-role-x"
  }
}
