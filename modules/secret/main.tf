resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:Rotation needs a function that knows the service behind the secret: the stack attaches it with `rotation`
  name                    = var.name
  description             = var.description
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days

  dynamic "replica" {
    for_each = var.replicas

    content {
      region     = replica.key
      kms_key_id = replica.value
    }
  }
}

# Drawn anew at every plan, kept nowhere, and written only when `value_version` changes.
ephemeral "aws_secretsmanager_random_password" "this" {
  exclude_characters  = var.generate.exclude_characters
  exclude_punctuation = !var.generate.punctuation
  # The length is the same in every case. Until the secret exists its ARN is unknown, and so is the length: a plan that
  # creates the secret then leaves the draw to the apply and needs no access to AWS.
  password_length = length(aws_secretsmanager_secret.this.arn) > 0 ? var.generate.length : 0
}

locals {
  drawn     = ephemeral.aws_secretsmanager_random_password.this.random_password
  generated = var.generate.json_key == null ? local.drawn : jsonencode(merge(var.generate.json_fields, { (coalesce(var.generate.json_key, "-")) = local.drawn }))
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = var.value == null ? local.generated : var.value
  secret_string_wo_version = var.value_version
}

resource "aws_secretsmanager_secret_rotation" "this" {
  # checkov:skip=CKV_AWS_304:checkov can't see the days inside an object; the variable's validation holds them to 90 at most
  count = var.rotation == null ? 0 : 1

  rotation_lambda_arn = var.rotation.function_arn
  secret_id           = aws_secretsmanager_secret_version.this.secret_id

  rotation_rules {
    automatically_after_days = var.rotation.every_days
  }
}
