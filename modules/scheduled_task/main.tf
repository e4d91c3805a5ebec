locals {
  account = split(":", var.kms_key_arn)[4]
  region  = split(":", var.kms_key_arn)[3]

  # What the image's own address says: <account>.dkr.ecr.<region>.<domain>/<repository>@sha256:<digest>
  image_account    = split(".", var.image)[0]
  image_region     = split(".", var.image)[3]
  image_repository = regex("^[^/]+/([^@]+)@", var.image)[0]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/orrery/tasks/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory_mb)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }

  volume {
    name = "scratch"
  }

  container_definitions = jsonencode([{
    name                   = "task"
    image                  = var.image
    essential              = true
    readonlyRootFilesystem = true
    user                   = var.user
    stopTimeout            = 120
    environment            = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "run"
      }
    }
  }])
}

resource "aws_scheduler_schedule" "this" {
  for_each = var.schedules

  name                         = "${var.name}-${each.key}"
  description                  = each.value.description
  group_name                   = "default"
  kms_key_arn                  = var.kms_key_arn
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone
  state                        = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.this.arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({ containerOverrides = [{ name = "task", command = each.value.command }] })

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.this.arn
      launch_type         = "FARGATE"
      platform_version    = "LATEST"
      propagate_tags      = "TASK_DEFINITION"
      task_count          = 1

      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = var.security_group_ids
        assign_public_ip = false
      }
    }

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
