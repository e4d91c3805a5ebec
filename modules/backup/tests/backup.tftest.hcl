mock_provider "aws" {
  alias = "source"

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test-backup" }
  }
}

mock_provider "aws" {
  alias = "copy"

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }

  mock_resource "aws_backup_vault" {
    defaults = { arn = "arn:aws:backup:eu-west-1:111122223333:backup-vault:orrery-test" }
  }
}

variables {
  name             = "orrery-test"
  account_id       = "111122223333"
  alarm_topic_arns = ["arn:aws:sns:us-east-1:111122223333:alerts"]
  kms_key_arn      = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  table_arns       = ["arn:aws:dynamodb:us-east-1:111122223333:table/users"]
  copy             = { kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
}

run "each_vault_has_its_own_regions_key" {
  command = plan

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  assert {
    condition     = aws_backup_vault.source.kms_key_arn == var.kms_key_arn && aws_backup_vault.copy.kms_key_arn == var.copy.kms_key_arn
    error_message = "Each vault must be encrypted with the key of its own region."
  }
}

run "each_backup_is_copied_to_the_second_region" {
  command = apply

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  assert {
    condition     = one(one(aws_backup_plan.this.rule).copy_action).destination_vault_arn == aws_backup_vault.copy.arn
    error_message = "The plan's rule must copy to the vault of the second region."
  }
}

run "a_day_without_a_backup_is_an_alarm" {
  command = plan

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_backup.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.no_backup.datapoints_to_alarm == 26
    error_message = "A day without data must be a day without a backup."
  }
}

run "a_lock_holds_both_vaults" {
  command = plan

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    lock = { min_retention_days = 7 }
  }

  assert {
    condition     = aws_backup_vault_lock_configuration.source[0].min_retention_days == 7 && aws_backup_vault_lock_configuration.copy[0].min_retention_days == 7
    error_message = "A lock on one vault alone leaves the other open."
  }
}

run "account_id_is_twelve_digits" {
  command         = plan
  expect_failures = [var.account_id]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    account_id = "11112222333"
  }
}

run "somebody_is_told" {
  command         = plan
  expect_failures = [var.alarm_topic_arns]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    alarm_topic_arns = []
  }
}

run "something_is_backed_up" {
  command         = plan
  expect_failures = [var.bucket_arns]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    table_arns = []
  }
}

run "a_copy_is_in_another_region" {
  command         = plan
  expect_failures = [var.copy]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    copy = { kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

run "a_copys_key_is_a_key" {
  command         = plan
  expect_failures = [var.copy]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    copy = { kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/data" }
  }
}

run "a_copy_is_kept_for_whole_days" {
  command         = plan
  expect_failures = [var.copy]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    copy = { kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", retention_days = 0 }
  }
}

run "the_key_is_a_key" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:alias/data"
  }
}

run "a_lock_can_be_changed_for_three_days" {
  command         = plan
  expect_failures = [var.lock]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    lock = { min_retention_days = 7, changeable_for_days = 1 }
  }
}

run "a_lock_leaves_room_for_the_backups" {
  command         = plan
  expect_failures = [var.lock]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    lock = { min_retention_days = 60 }
  }
}

run "a_name_is_a_vaults_name" {
  command         = plan
  expect_failures = [var.name]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    name = "orrery test"
  }
}

run "a_backup_is_kept_for_whole_days" {
  command         = plan
  expect_failures = [var.retention_days]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    retention_days = 1.5
  }
}

run "a_backup_is_taken_each_day" {
  command         = plan
  expect_failures = [var.schedule]

  providers = {
    aws.copy   = aws.copy
    aws.source = aws.source
  }

  variables {
    schedule = "cron(0 3 ? * SUN *)"
  }
}
