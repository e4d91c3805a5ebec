mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
  mock_resource "aws_redshiftserverless_namespace" {
    defaults = { admin_password_secret_arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:redshift!orrery-test-orrery" }
  }
  mock_resource "aws_redshiftserverless_workgroup" {
    defaults = {
      arn      = "arn:aws:redshift-serverless:us-east-1:111122223333:workgroup/1234abcd-12ab-34cd-56ef-1234567890ab"
      endpoint = [{ address = "orrery-test.111122223333.us-east-1.redshift-serverless.amazonaws.com", port = 5439, vpc_endpoint = [] }]
    }
  }
}

variables {
  name        = "orrery-test-warehouse"
  database    = "retail"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  vpc_id      = "vpc-0a1b2c3d"
  subnet_ids  = ["subnet-0a1b2c3d", "subnet-1a2b3c4d", "subnet-2a3b4c5d"]
}

run "applies" {
  command = apply
}

run "applies_with_everything" {
  command = apply

  variables {
    alarm_topic_arn            = "arn:aws:sns:us-east-1:111122223333:alerts"
    allowed_security_group_ids = ["sg-0a1b2c3d"]
    copy_sources               = { landing = { bucket_arn = "arn:aws:s3:::orrery-test-landing", prefix = "incoming/" } }
    reach_security_group_ids   = ["sg-0a1b2c3d"]
    snapshots                  = { before-migration = 30 }
  }
}

run "refuses_a_capacity_between_the_steps" {
  command         = plan
  expect_failures = [var.base_capacity_rpu]

  variables {
    base_capacity_rpu = 12
  }
}

run "refuses_a_source_in_upper_case" {
  command         = plan
  expect_failures = [var.copy_sources]

  variables {
    copy_sources = { Landing = { bucket_arn = "arn:aws:s3:::orrery-test-landing" } }
  }
}

run "refuses_all_buckets" {
  command         = plan
  expect_failures = [var.copy_sources]

  variables {
    copy_sources = { landing = { bucket_arn = "arn:aws:s3:::*" } }
  }
}

run "refuses_a_database_of_the_system_itself" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "template1"
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_maximum_below_the_base" {
  command         = plan
  expect_failures = [var.max_capacity_rpu]

  variables {
    base_capacity_rpu = 64
  }
}

run "refuses_queries_without_an_end" {
  command         = plan
  expect_failures = [var.max_query_seconds]

  variables {
    max_query_seconds = 0
  }
}

run "refuses_a_name_in_upper_case" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_a_snapshot_for_no_day" {
  command         = plan
  expect_failures = [var.snapshots]

  variables {
    snapshots = { before-migration = 0 }
  }
}

run "refuses_two_subnets" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = ["subnet-0a1b2c3d", "subnet-1a2b3c4d"]
  }
}

run "refuses_no_limit" {
  command         = plan
  expect_failures = [var.usage_limits]

  variables {
    usage_limits = {}
  }
}

run "refuses_an_action_that_is_none" {
  command         = plan
  expect_failures = [var.usage_limits]

  variables {
    usage_limits = { daily = { action = "disable", period = "daily", rpu_hours = 8 } }
  }
}

run "refuses_a_limit_of_nothing" {
  command         = plan
  expect_failures = [var.usage_limits]

  variables {
    usage_limits = { daily = { action = "log", period = "daily", rpu_hours = 0 } }
  }
}

run "refuses_a_reserved_user" {
  command         = plan
  expect_failures = [var.username]

  variables {
    username = "rdsdb"
  }
}
