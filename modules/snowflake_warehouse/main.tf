resource "snowflake_resource_monitor" "this" {
  name            = var.name
  credit_quota    = var.credits_per_month
  frequency       = "MONTHLY"
  start_timestamp = "IMMEDIATELY"

  # Told at half and at three quarters; at 90 no query starts any more, at 100 those that run are stopped.
  notify_triggers           = [50, 75]
  suspend_trigger           = 90
  suspend_immediate_trigger = 100
  notify_users              = var.notify_users
}

resource "snowflake_warehouse" "this" {
  name                = var.name
  comment             = var.comment
  warehouse_size      = var.size
  warehouse_type      = "STANDARD"
  auto_resume         = "true"
  auto_suspend        = var.auto_suspend_s
  initially_suspended = true
  resource_monitor    = snowflake_resource_monitor.this.name

  min_cluster_count = 1
  max_cluster_count = var.max_clusters
  scaling_policy    = var.max_clusters > 1 ? "STANDARD" : null

  statement_queued_timeout_in_seconds = 600
  statement_timeout_in_seconds        = var.statement_timeout_s
}

resource "snowflake_database" "this" {
  name                           = var.database
  comment                        = var.comment
  data_retention_time_in_days    = var.time_travel_days
  drop_public_schema_on_creation = true
}

# Managed access: who makes a table in it doesn't decide who reads it.
resource "snowflake_schema" "this" {
  for_each = var.schemas

  database            = snowflake_database.this.name
  name                = each.key
  comment             = each.value
  with_managed_access = "true"
}
