# What starts each job: once in the API's spelling, for whoever starts one by hand or a program, and once in the
# spelling that EventBridge Scheduler takes, for those that have a schedule.
locals {
  requests = { for name, job in var.jobs : name => {
    applicationId           = aws_emrserverless_application.this.id
    executionRoleArn        = aws_iam_role.job[name].arn
    name                    = name
    mode                    = job.mode
    executionTimeoutMinutes = job.mode == "STREAMING" ? 0 : job.timeout_minutes
    # A stream is started again for ever, unless it fails more often than this.
    retryPolicy = job.mode == "STREAMING" ? { maxFailedAttemptsPerHour = job.retries } : { maxAttempts = 1 + job.retries }

    jobDriver = {
      sparkSubmit = {
        entryPoint          = "s3://${var.bucket.name}/${aws_s3_object.entry.key}"
        entryPointArguments = concat([job.module], job.arguments)
      }
    }

    configurationOverrides = {
      applicationConfiguration = [{ classification = "spark-defaults", properties = local.properties[name] }]
      monitoringConfiguration = {
        cloudWatchLoggingConfiguration = {
          enabled      = true
          logGroupName = aws_cloudwatch_log_group.this[name].name
          logTypes     = { SPARK_DRIVER = ["STDERR", "STDOUT"] }
        }
        # Otherwise EMR keeps a copy of the logs with a key of its own.
        managedPersistenceMonitoringConfiguration = { enabled = false }
      }
      diskEncryptionConfiguration = { encryptionKeyArn = var.kms_key_arn }
    }
  } }

  scheduled_requests = { for name, job in local.scheduled : name => {
    ApplicationId           = local.requests[name].applicationId
    ClientToken             = "<aws.scheduler.execution-id>" # a try that is repeated starts no second run
    ExecutionRoleArn        = local.requests[name].executionRoleArn
    Name                    = name
    Mode                    = job.mode
    ExecutionTimeoutMinutes = job.timeout_minutes
    RetryPolicy             = { MaxAttempts = 1 + job.retries }

    JobDriver = {
      SparkSubmit = {
        EntryPoint          = local.requests[name].jobDriver.sparkSubmit.entryPoint
        EntryPointArguments = local.requests[name].jobDriver.sparkSubmit.entryPointArguments
      }
    }

    ConfigurationOverrides = {
      ApplicationConfiguration = [{ Classification = "spark-defaults", Properties = local.properties[name] }]
      MonitoringConfiguration = {
        CloudWatchLoggingConfiguration = {
          Enabled      = true
          LogGroupName = aws_cloudwatch_log_group.this[name].name
          LogTypes     = { SPARK_DRIVER = ["STDERR", "STDOUT"] }
        }
        ManagedPersistenceMonitoringConfiguration = { Enabled = false }
      }
      DiskEncryptionConfiguration = { EncryptionKeyArn = var.kms_key_arn }
    }
  } }
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.scheduled

  name                         = "${var.name}-${each.key}"
  description                  = each.value.description
  group_name                   = "default"
  kms_key_arn                  = var.kms_key_arn
  schedule_expression          = each.value.schedule.expression
  schedule_expression_timezone = each.value.schedule.timezone
  state                        = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:scheduler:::aws-sdk:emrserverless:startJobRun"
    role_arn = aws_iam_role.schedule[0].arn
    # jsonencode() would write < and > of the token in a way that the scheduler doesn't know.
    input = replace(replace(jsonencode(local.scheduled_requests[each.key]), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }

    dead_letter_config {
      arn = var.dead_letter.queue_arn
    }
  }

  # Without its permissions in place the first run would be lost.
  depends_on = [aws_iam_role_policy.schedule]
}
