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
  mock_resource "aws_db_instance" {
    defaults = {
      master_user_secret = [{
        kms_key_id    = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        secret_arn    = "arn:aws:secretsmanager:us-east-1:111122223333:secret:rds!db-test"
        secret_status = "active"
      }]
    }
  }
}

variables {
  name        = "orrery-test-shop"
  database    = "shop"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  vpc_id      = "vpc-0a1b2c3d"
  subnet_ids  = ["subnet-0a1b2c3d", "subnet-1a2b3c4d"]
}

run "applies" {
  command = apply

  assert {
    condition     = aws_db_parameter_group.this.family == "mysql8.4" && aws_db_instance.this.backup_retention_period > 0
    error_message = "the parameters are of the version, and there is a binary log"
  }

  assert {
    condition     = contains([for each in aws_db_parameter_group.this.parameter : "${each.name}=${each.value}"], "require_secure_transport=1")
    error_message = "nobody without TLS"
  }
}

run "numbers_transactions" {
  command = apply

  assert {
    condition     = length(setintersection([for each in aws_db_parameter_group.this.parameter : "${each.name}=${each.value}"], ["enforce_gtid_consistency=ON", "gtid-mode=ON"])) == 2
    error_message = "a number for each transaction"
  }
}

run "names_transactions_by_their_place" {
  command = apply

  variables {
    gtid = false
  }

  assert {
    condition     = length(setintersection([for each in aws_db_parameter_group.this.parameter : "${each.name}=${each.value}"], ["enforce_gtid_consistency=OFF", "gtid-mode=OFF"])) == 2
    error_message = "no numbers where they are not wanted"
  }
}

run "takes_a_minor_version" {
  command = apply

  variables {
    engine_version = "8.0.43"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mysql8.0"
    error_message = "a family has no minor version"
  }
}

run "refuses_too_little_storage" {
  command         = plan
  expect_failures = [var.allocated_storage_gb]

  variables {
    allocated_storage_gb = 10
  }
}

run "refuses_no_backups" {
  command         = plan
  expect_failures = [var.backup_retention_days]

  variables {
    backup_retention_days = 0
  }
}

run "refuses_a_database_of_mysql_itself" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "performance_schema"
  }
}

run "refuses_a_database_with_a_hyphen" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "my-db"
  }
}

run "refuses_a_version_of_the_past" {
  command         = plan
  expect_failures = [var.engine_version]

  variables {
    engine_version = "5.7"
  }
}

run "refuses_an_ec2_instance_class" {
  command         = plan
  expect_failures = [var.instance_class]

  variables {
    instance_class = "t4g.medium"
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_threshold_that_is_none" {
  command         = plan
  expect_failures = [var.log_statements_over_ms]

  variables {
    log_statements_over_ms = -2
  }
}

run "refuses_no_room_to_grow" {
  command         = plan
  expect_failures = [var.max_allocated_storage_gb]

  variables {
    max_allocated_storage_gb = 20
  }
}

run "refuses_a_name_in_upper_case" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_a_single_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = ["subnet-0a1b2c3d"]
  }
}

run "refuses_a_reserved_user" {
  command         = plan
  expect_failures = [var.username]

  variables {
    username = "rdsadmin"
  }
}

run "refuses_an_instance_that_is_too_small_to_be_looked_into" {
  command         = plan
  expect_failures = [var.instance_class]

  variables {
    instance_class = "db.t4g.small"
  }
}
