locals {
  roles = {
    LOADER = "Writes to the landing tables of ${var.name}, and reads none of them"
    MERGER = "Owns and runs the tasks of ${var.name}, and the tables that they make"
    READER = "Reads what the tasks of ${var.name} have merged"
  }
  members = merge(
    { for role in var.loaders : "LOADER ${role}" => { of = "LOADER", role = role } },
    { for role in var.mergers : "MERGER ${role}" => { of = "MERGER", role = role } },
    { for role in var.readers : "READER ${role}" => { of = "READER", role = role } },
  )

  # Where each of them may go at all.
  places = merge(
    { for role in keys(local.roles) : "${role} database" => { role = role, type = "DATABASE", name = var.database } },
    { for role in keys(local.roles) : "${role} warehouse" => { role = role, type = "WAREHOUSE", name = var.warehouse } },
  )
  schemas = merge(
    { for role in ["LOADER", "MERGER"] : "${role} ${var.landing_schema}" => { role = role, schema = snowflake_schema.landing.name, privileges = ["USAGE"] } },
    { for name in keys(var.target_schemas) : "MERGER ${name}" => { role = "MERGER", schema = snowflake_schema.target[name].name, privileges = ["CREATE TABLE", "CREATE VIEW", "USAGE"] } },
    { for name, schema in var.target_schemas : "READER ${name}" => { role = "READER", schema = snowflake_schema.target[name].name, privileges = ["USAGE"] } if schema.readable },
  )

  # What each may do with what is made here. The merger owns what its tasks make, and needs no more there.
  objects = merge(
    { for name in keys(var.landing_tables) : "LOADER ${name}" => { role = "LOADER", type = "TABLE", object = snowflake_table.this[name].name, privileges = ["INSERT"] } },
    { for name in keys(var.landing_tables) : "MERGER ${name}" => { role = "MERGER", type = "TABLE", object = snowflake_table.this[name].name, privileges = var.landing_tables[name].prune ? ["DELETE", "SELECT"] : ["SELECT"] } },
    { for name, stream in snowflake_stream_on_table.this : "MERGER ${stream.name}" => { role = "MERGER", type = "STREAM", object = stream.name, privileges = ["SELECT"] } },
    { for name in keys(var.loader_tables) : "LOADER ${name}" => { role = "LOADER", type = "TABLE", object = snowflake_table.this[name].name, privileges = ["DELETE", "INSERT", "SELECT", "TRUNCATE", "UPDATE"] } },
    { for name in keys(var.loader_tables) : "MERGER ${name}" => { role = "MERGER", type = "TABLE", object = snowflake_table.this[name].name, privileges = ["SELECT"] } },
    { "MERGER sink" = { role = "MERGER", type = "TABLE", object = snowflake_table.sink.name, privileges = ["INSERT"] } },
    { for stage in snowflake_stage.this : "LOADER stage" => { role = "LOADER", type = "STAGE", object = stage.name, privileges = ["READ", "WRITE"] } },
  )
  readable = merge([
    for name, schema in var.target_schemas : { for kind in ["TABLES", "VIEWS"] : "${name} ${kind}" => { schema = snowflake_schema.target[name].name, kind = kind } } if schema.readable
  ]...)

  serverless = anytrue([for task in values(var.tasks) : task.serverless != null])
}

resource "snowflake_account_role" "this" {
  for_each = local.roles

  name    = "${var.name}_${each.key}"
  comment = each.value
}

# The administrators inherit all three: whoever applies this changes tasks that the merger owns.
resource "snowflake_grant_account_role" "administrators" {
  for_each = snowflake_account_role.this

  role_name        = each.value.name
  parent_role_name = "SYSADMIN"
}

resource "snowflake_grant_account_role" "members" {
  for_each = local.members

  role_name        = snowflake_account_role.this[each.value.of].name
  parent_role_name = each.value.role
}

resource "snowflake_grant_privileges_to_account_role" "place" {
  for_each = local.places

  account_role_name = snowflake_account_role.this[each.value.role].name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = each.value.type
    object_name = each.value.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "schema" {
  for_each = local.schemas

  account_role_name = snowflake_account_role.this[each.value.role].name
  privileges        = each.value.privileges

  on_schema {
    schema_name = "\"${var.database}\".\"${each.value.schema}\""
  }
}

resource "snowflake_grant_privileges_to_account_role" "objects" {
  for_each = local.objects

  account_role_name = snowflake_account_role.this[each.value.role].name
  privileges        = each.value.privileges

  on_schema_object {
    object_type = each.value.type
    object_name = "\"${var.database}\".\"${snowflake_schema.landing.name}\".\"${each.value.object}\""
  }
}

# Schemas are made empty, so rights to future tables are rights to all.
resource "snowflake_grant_privileges_to_account_role" "read" {
  for_each = local.readable

  account_role_name = snowflake_account_role.this["READER"].name
  privileges        = ["SELECT"]

  on_schema_object {
    future {
      object_type_plural = each.value.kind
      in_schema          = "\"${var.database}\".\"${each.value.schema}\""
    }
  }
}

resource "snowflake_grant_privileges_to_account_role" "account" {
  account_role_name = snowflake_account_role.this["MERGER"].name
  privileges        = local.serverless ? ["EXECUTE MANAGED TASK", "EXECUTE TASK"] : ["EXECUTE TASK"]
  on_account        = true
}

resource "snowflake_grant_privileges_to_account_role" "integration" {
  count = var.alarm_role_arn == null ? 0 : 1

  account_role_name = snowflake_account_role.this["MERGER"].name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "INTEGRATION"
    object_name = snowflake_notification_integration.this[0].name
  }
}

# A task runs with its owner's rights. It belongs to the merger from its first moment: handing over one that exists stops it.
resource "snowflake_grant_ownership" "tasks" {
  account_role_name = snowflake_account_role.this["MERGER"].name

  on {
    future {
      object_type_plural = "TASKS"
      in_schema          = snowflake_schema.landing.fully_qualified_name
    }
  }

  depends_on = [snowflake_grant_account_role.administrators]
}
