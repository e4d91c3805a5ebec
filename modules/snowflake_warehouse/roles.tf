locals {
  readable = merge([
    for name in keys(var.schemas) : { for kind in ["TABLES", "VIEWS"] : "${name} ${kind}" => { schema = name, kind = kind } }
  ]...)
}

resource "snowflake_account_role" "reader" {
  name    = "${var.database}_READER"
  comment = "Reads all tables and views of ${var.database}"
}

resource "snowflake_account_role" "writer" {
  name    = "${var.database}_WRITER"
  comment = "Writes to all tables of ${var.database}, and makes new ones"
}

# Who writes may also read, and the administrators inherit both.
resource "snowflake_grant_account_role" "reader_to_writer" {
  role_name        = snowflake_account_role.reader.name
  parent_role_name = snowflake_account_role.writer.name
}

resource "snowflake_grant_account_role" "writer_to_administrators" {
  role_name        = snowflake_account_role.writer.name
  parent_role_name = "SYSADMIN"
}

resource "snowflake_grant_account_role" "readers" {
  for_each = var.readers

  role_name        = snowflake_account_role.reader.name
  parent_role_name = each.key
}

resource "snowflake_grant_account_role" "writers" {
  for_each = var.writers

  role_name        = snowflake_account_role.writer.name
  parent_role_name = each.key
}

# What readers may. Schemas are made empty, so rights to future tables are rights to all.
resource "snowflake_grant_privileges_to_account_role" "warehouse" {
  account_role_name = snowflake_account_role.reader.name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "WAREHOUSE"
    object_name = snowflake_warehouse.this.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "database" {
  account_role_name = snowflake_account_role.reader.name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "DATABASE"
    object_name = snowflake_database.this.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "schema" {
  for_each = var.schemas

  account_role_name = snowflake_account_role.reader.name
  privileges        = ["USAGE"]

  on_schema {
    schema_name = snowflake_schema.this[each.key].fully_qualified_name
  }
}

resource "snowflake_grant_privileges_to_account_role" "read" {
  for_each = local.readable

  account_role_name = snowflake_account_role.reader.name
  privileges        = ["SELECT"]

  on_schema_object {
    future {
      object_type_plural = each.value.kind
      in_schema          = snowflake_schema.this[each.value.schema].fully_qualified_name
    }
  }
}

# What writers may beyond that.
resource "snowflake_grant_privileges_to_account_role" "create" {
  for_each = var.schemas

  account_role_name = snowflake_account_role.writer.name
  privileges        = ["CREATE TABLE", "CREATE VIEW"]

  on_schema {
    schema_name = snowflake_schema.this[each.key].fully_qualified_name
  }
}

resource "snowflake_grant_privileges_to_account_role" "write" {
  for_each = var.schemas

  account_role_name = snowflake_account_role.writer.name
  privileges        = ["DELETE", "INSERT", "TRUNCATE", "UPDATE"]

  on_schema_object {
    future {
      object_type_plural = "TABLES"
      in_schema          = snowflake_schema.this[each.key].fully_qualified_name
    }
  }
}
