# Permissions are given as a whole: what isn't listed is taken away, and the principal that applies this stays owner.
resource "databricks_permissions" "job" {
  count = length(var.managers) + length(var.viewers) > 0 ? 1 : 0

  job_id = databricks_job.this.id

  dynamic "access_control" {
    for_each = var.managers

    content {
      group_name       = access_control.value
      permission_level = "CAN_MANAGE_RUN"
    }
  }

  dynamic "access_control" {
    for_each = var.viewers

    content {
      group_name       = access_control.value
      permission_level = "CAN_VIEW"
    }
  }
}

resource "databricks_permissions" "policy" {
  cluster_policy_id = databricks_cluster_policy.this.id

  access_control {
    service_principal_name = var.run_as
    permission_level       = "CAN_USE"
  }
}
