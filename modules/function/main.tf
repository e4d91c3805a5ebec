locals {
  in_vpc = length(var.subnet_ids) > 0

  # A name by content: the package in use stays until the function has the next one.
  package_key = "functions/${var.name}/${replace(replace(trimsuffix(var.package_sha256, "="), "/", "_"), "+", "-")}.zip"
}

resource "aws_s3_object" "package" {
  #checkov:skip=ORR_11:An object's tags are paid for, limited to ten, and say no more than its bucket's.
  count = var.package_bucket == null ? 0 : 1

  bucket                 = var.package_bucket.name
  key                    = local.package_key
  source                 = var.package_path
  source_hash            = var.package_sha256
  content_type           = "application/zip"
  server_side_encryption = "aws:kms"
  kms_key_id             = coalesce(var.package_bucket.kms_key_arn, var.kms_key_arn)

  # No tags; the reason is above.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_272:Signing needs a signing profile that belongs to the account's release pipeline; the package is pinned by its SHA-256 instead.
  #checkov:skip=CKV_AWS_116:Failed events go to the dead-letter queue by event_invoke_config's on_failure, which adds the reason to the event.
  #checkov:skip=CKV_AWS_117:A function that calls only AWS APIs is no safer inside a VPC; subnet_ids puts one there when it needs a private endpoint.
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  package_type     = "Zip"
  filename         = var.package_bucket == null ? var.package_path : null
  s3_bucket        = var.package_bucket == null ? null : aws_s3_object.package[0].bucket
  s3_key           = var.package_bucket == null ? null : aws_s3_object.package[0].key
  source_code_hash = var.package_sha256
  handler          = var.handler
  runtime          = var.runtime
  architectures    = [var.architecture]
  layers           = var.layers
  memory_size      = var.memory_mb
  timeout          = var.timeout_s

  # Lambda doesn't keep the key of an environment that is empty.
  kms_key_arn = length(var.environment) > 0 ? var.kms_key_arn : null

  reserved_concurrent_executions = var.reserved_concurrency

  dynamic "environment" {
    for_each = length(var.environment) > 0 ? [1] : []

    content {
      variables = var.environment
    }
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [1] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  # Lambda tries the role while it creates the function.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy.network]
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = var.async_max_age_s
  maximum_retry_attempts       = var.async_retries

  dynamic "destination_config" {
    for_each = var.dead_letter ? [1] : []

    content {
      on_failure {
        destination = aws_sqs_queue.dead_letter[0].arn
      }
    }
  }

  depends_on = [aws_iam_role_policy.dead_letter]
}

resource "aws_lambda_permission" "this" {
  for_each = var.invoke_permissions

  statement_id   = each.key
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "${each.value.service}.amazonaws.com"
  source_arn     = each.value.source_arn
  source_account = each.value.source_account
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}
