mock_provider "aws" {}

variables {
  name        = "orrery-test"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  hash_key    = "user_id"
  attributes  = { user_id = "S" }
}

run "a_table_is_protected_and_backed_up" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Deletion protection and point-in-time recovery must be on unless asked otherwise."
  }

  assert {
    condition     = output.stream_arn == null
    error_message = "A table without a stream must have no stream_arn."
  }
}

run "replicas_bring_a_stream_and_are_backed_up_too" {
  command = plan

  variables {
    replicas = { eu-west-1 = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = aws_dynamodb_table.this.stream_view_type == "NEW_AND_OLD_IMAGES" && alltrue([for replica in aws_dynamodb_table.this.replica : replica.point_in_time_recovery])
    error_message = "A global table needs a stream with both images, and backups in every region."
  }
}

run "an_index_takes_its_keys" {
  command = plan

  variables {
    attributes = { user_id = "S", email = "S", created = "N" }
    indexes    = { by_email = { hash_key = "email", range_key = "created" } }
  }
}

run "attribute_types_are_known" {
  command         = plan
  expect_failures = [var.attributes]

  variables {
    attributes = { user_id = "string" }
  }
}

run "attributes_are_the_keys_and_nothing_else" {
  command         = plan
  expect_failures = [var.attributes]

  variables {
    attributes = { user_id = "S", email = "S" }
  }
}

run "the_key_is_an_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "alias/orrery-test"
  }
}

run "name_has_three_characters" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "ab"
  }
}

run "replicas_are_keyed_by_region" {
  command         = plan
  expect_failures = [var.replicas]

  variables {
    replicas = { europe = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}
