mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name        = "orrery-test"
  account_id  = "111122223333"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "makes_a_bucket_for_access_logs" {
  command = plan

  assert {
    condition     = length(module.access_logs) == 1
    error_message = "Without access_log_bucket the module must make one."
  }
}

run "the_bucket_has_the_tags_that_it_is_given" {
  command = plan

  variables {
    tags = { drill = "avatars" }
  }

  assert {
    condition     = aws_s3_bucket.this.tags["drill"] == "avatars"
    error_message = "The bucket must have the tags that it is given."
  }
}

run "takes_the_bucket_for_access_logs_it_is_given" {
  command = plan

  variables {
    access_log_bucket = { name = "orrery-test-other-logs" }
  }

  assert {
    condition     = length(module.access_logs) == 0 && aws_s3_bucket_logging.this.target_bucket == "orrery-test-other-logs"
    error_message = "With access_log_bucket the module must log there and make none."
  }
}

run "s3_may_invoke_only_for_this_account_and_bucket" {
  command = plan

  variables {
    function_notifications = {
      loader = { function_arn = "arn:aws:lambda:us-east-1:111122223333:function:loader", prefix = "incoming/" }
    }
  }

  assert {
    condition     = aws_lambda_permission.notification["loader"].source_account == "111122223333"
    error_message = "A bucket name alone doesn't say whose bucket it is: the account must be checked."
  }
}

run "access_logs_are_kept_a_day_at_least" {
  command         = plan
  expect_failures = [var.access_log_retention_days]

  variables {
    access_log_retention_days = 0
  }
}

run "account_id_is_twelve_digits" {
  command         = plan
  expect_failures = [var.account_id]

  variables {
    account_id = "11112222333"
  }
}

run "function_events_are_s3_events" {
  command         = plan
  expect_failures = [var.function_notifications]

  variables {
    function_notifications = {
      loader = { function_arn = "arn:aws:lambda:us-east-1:111122223333:function:loader", events = ["ObjectCreated"] }
    }
  }
}

run "the_key_is_an_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "alias/orrery-test"
  }
}

run "a_lifecycle_rule_does_something" {
  command         = plan
  expect_failures = [var.lifecycle_rules]

  variables {
    lifecycle_rules = { idle = { prefix = "tmp/" } }
  }
}

run "the_storage_class_is_known" {
  command         = plan
  expect_failures = [var.lifecycle_rules]

  variables {
    lifecycle_rules = { cold = { transitions = [{ after_days = 30, storage_class = "COLD" }] } }
  }
}

run "the_name_housekeeping_is_taken" {
  command         = plan
  expect_failures = [var.lifecycle_rules]

  variables {
    lifecycle_rules = { housekeeping = { expire_after_days = 30 } }
  }
}

run "name_has_no_dots" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery.test"
  }
}

run "name_leaves_room_for_logs" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery-test-with-a-name-that-is-just-too-long-for-its-log-bkt"
  }
}

run "superseded_versions_are_kept_a_day_at_least" {
  command         = plan
  expect_failures = [var.noncurrent_version_days]

  variables {
    noncurrent_version_days = 0
  }
}

run "policy_documents_are_policies" {
  command         = plan
  expect_failures = [var.policy_documents]

  variables {
    policy_documents = ["{}"]
  }
}

run "queue_events_are_s3_events" {
  command         = plan
  expect_failures = [var.queue_notifications]

  variables {
    queue_notifications = {
      files = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:files", events = ["ObjectCreated"] }
    }
  }
}
