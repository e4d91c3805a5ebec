locals {
  cases = {
    pass            = { subnets = ["subnet-0a"], cpu = "16 vCPU", stops = true }
    fail_network    = { subnets = [], cpu = "16 vCPU", stops = true }
    fail_never_ends = { subnets = ["subnet-0a"], cpu = "16 vCPU", stops = false }
  }
}

resource "aws_subnet" "private" {
  vpc_id     = "vpc-0a"
  cidr_block = "10.0.0.0/24"
}

resource "aws_emrserverless_application" "jobs" {
  for_each = local.cases

  name          = "orrery-sample-${each.key}"
  release_label = "emr-7.10.0"
  type          = "spark"

  auto_stop_configuration {
    enabled = each.value.stops
  }

  maximum_capacity {
    cpu    = each.value.cpu
    memory = "64 GB"
  }

  dynamic "network_configuration" {
    for_each = length(each.value.subnets) > 0 ? [1] : []

    content {
      subnet_ids = each.value.subnets
    }
  }
}

resource "aws_emrserverless_application" "pass_subnets_to_come" {
  name          = "orrery-sample-to-come"
  release_label = "emr-7.10.0"
  type          = "spark"

  auto_stop_configuration {
    enabled = true
  }

  maximum_capacity {
    cpu    = "16 vCPU"
    memory = "64 GB"
  }

  network_configuration {
    subnet_ids = [aws_subnet.private.id]
  }
}

resource "aws_emrserverless_application" "fail_without_a_limit" {
  name          = "orrery-sample-unlimited"
  release_label = "emr-7.10.0"
  type          = "spark"

  auto_stop_configuration {
    enabled = true
  }

  network_configuration {
    subnet_ids = ["subnet-0a"]
  }
}
