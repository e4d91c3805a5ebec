resource "aws_backup_vault" "source" {
  provider = aws.source

  name          = var.name
  force_destroy = var.force_destroy
  kms_key_arn   = var.kms_key_arn
}

resource "aws_backup_vault" "copy" {
  provider = aws.copy

  name          = var.name
  force_destroy = var.force_destroy
  kms_key_arn   = var.copy.kms_key_arn
}

resource "aws_backup_vault_lock_configuration" "source" {
  count    = var.lock == null ? 0 : 1
  provider = aws.source

  backup_vault_name   = aws_backup_vault.source.name
  changeable_for_days = var.lock.changeable_for_days
  max_retention_days  = var.lock.max_retention_days
  min_retention_days  = var.lock.min_retention_days
}

resource "aws_backup_vault_lock_configuration" "copy" {
  count    = var.lock == null ? 0 : 1
  provider = aws.copy

  backup_vault_name   = aws_backup_vault.copy.name
  changeable_for_days = var.lock.changeable_for_days
  max_retention_days  = var.lock.max_retention_days
  min_retention_days  = var.lock.min_retention_days
}

resource "aws_backup_plan" "this" {
  provider = aws.source

  name = var.name

  rule {
    rule_name         = "daily"
    completion_window = 480
    schedule          = var.schedule
    start_window      = 60
    target_vault_name = aws_backup_vault.source.name

    lifecycle {
      delete_after = var.retention_days
    }

    copy_action {
      destination_vault_arn = aws_backup_vault.copy.arn

      lifecycle {
        delete_after = var.copy.retention_days
      }
    }
  }
}

# Named one by one: a tag could be set on something that the role may not read, or be lost from something that counts.
resource "aws_backup_selection" "this" {
  provider = aws.source

  iam_role_arn = aws_iam_role.this.arn
  name         = var.name
  plan_id      = aws_backup_plan.this.id
  resources    = concat(var.bucket_arns, var.table_arns)

  depends_on = [aws_iam_role_policy.this]
}
