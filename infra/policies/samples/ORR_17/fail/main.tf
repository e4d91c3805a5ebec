resource "aws_emrserverless_application" "jobs" {
  name          = "orrery-sample-fail"
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
}
