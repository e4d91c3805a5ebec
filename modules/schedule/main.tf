locals {
  target_service = split(":", var.target_arn)[2]

  # What the schedule's role must be allowed to do, by the kind of target.
  invoke_actions = {
    lambda = "lambda:InvokeFunction"
    sns    = "sns:Publish"
    sqs    = "sqs:SendMessage"
    states = "states:StartExecution"
  }
}

resource "aws_scheduler_schedule" "this" {
  name                         = var.name
  description                  = var.description
  group_name                   = "default"
  kms_key_arn                  = var.kms_key_arn
  schedule_expression          = var.expression
  schedule_expression_timezone = var.timezone
  state                        = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode                      = var.flexible_window_minutes > 0 ? "FLEXIBLE" : "OFF"
    maximum_window_in_minutes = var.flexible_window_minutes > 0 ? var.flexible_window_minutes : null
  }

  target {
    arn      = var.target_arn
    role_arn = aws_iam_role.this.arn
    input    = var.input

    retry_policy {
      maximum_event_age_in_seconds = var.max_event_age_s
      maximum_retry_attempts       = var.max_retries
    }

    dynamic "dead_letter_config" {
      for_each = var.dead_letter == null ? [] : [var.dead_letter]

      content {
        arn = dead_letter_config.value.queue_arn
      }
    }
  }

  # Without its permissions in place the first run would be lost.
  depends_on = [aws_iam_role_policy.this]
}
