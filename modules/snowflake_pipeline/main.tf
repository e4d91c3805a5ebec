locals {
  tables = merge(
    { for name, table in var.landing_tables : name => { columns = table.columns, comment = table.comment, streamed = true } },
    { for name, table in var.loader_tables : name => { columns = table.columns, comment = table.comment, streamed = false } },
  )
}

# Managed access: who owns a table in it, as the tasks do, doesn't decide who reads it.
resource "snowflake_schema" "landing" {
  database                    = var.database
  name                        = var.landing_schema
  comment                     = "${var.comment}: as it came"
  data_retention_time_in_days = var.time_travel_days
  with_managed_access         = "true"
}

resource "snowflake_schema" "target" {
  for_each = var.target_schemas

  database                    = var.database
  name                        = each.key
  comment                     = each.value.comment
  data_retention_time_in_days = var.time_travel_days
  with_managed_access         = "true"
}

# Change tracking is what a stream would switch on; said here, it is no difference at the next plan.
resource "snowflake_table" "this" {
  for_each = local.tables

  database                    = snowflake_schema.landing.database
  schema                      = snowflake_schema.landing.name
  name                        = each.key
  comment                     = each.value.comment
  change_tracking             = each.value.streamed
  data_retention_time_in_days = var.time_travel_days

  dynamic "column" {
    for_each = each.value.columns

    content {
      name     = column.value.name
      type     = column.value.type
      comment  = column.value.comment
      nullable = column.value.nullable

      dynamic "default" {
        for_each = column.value.default == null ? [] : [column.value.default]

        content {
          expression = default.value
        }
      }
    }
  }
}

# What landed before the stream was there counts as new.
resource "snowflake_stream_on_table" "this" {
  for_each = var.landing_tables

  database          = snowflake_schema.landing.database
  schema            = snowflake_schema.landing.name
  name              = each.value.stream
  table             = snowflake_table.this[each.key].fully_qualified_name
  comment           = "What has landed in ${each.key} since the last run"
  append_only       = "true"
  show_initial_rows = "true"
  # A stream that has become stale is made anew, and its grants would be gone.
  copy_grants = true
}

# Always empty: a write that reads a stream moves it on, even one that writes no row. Tasks write none of each stream here.
resource "snowflake_table" "sink" {
  database = snowflake_schema.landing.database
  schema   = snowflake_schema.landing.name
  name     = "STREAM_SINK"
  comment  = "Always empty: reading a stream for it moves the stream on"

  column {
    name = "ACTION"
    type = "VARCHAR"
  }
}

resource "snowflake_stage" "this" {
  count = var.stage == null ? 0 : 1

  database = snowflake_schema.landing.database
  schema   = snowflake_schema.landing.name
  name     = var.stage
  comment  = "Files on their way into the landing tables"
}
