resource "aws_emrserverless_application" "jobs" {
  name          = "orrery-sample-pass"
  release_label = "emr-7.10.0"
  type          = "spark"

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 5
  }

  maximum_capacity {
    cpu    = "16 vCPU"
    memory = "64 GB"
  }

  network_configuration {
    security_group_ids = ["sg-0123456789abcdef0"]
    subnet_ids         = ["subnet-0123456789abcdef0"]
  }
}
