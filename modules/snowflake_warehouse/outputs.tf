output "database" {
  description = "Name of the database."
  value       = snowflake_database.this.name
}

output "reader_role" {
  description = "Role that reads."
  value       = snowflake_account_role.reader.name
}

output "schemas" {
  description = "Schemas by name, each with its full, quoted name."
  value       = { for name, schema in snowflake_schema.this : name => schema.fully_qualified_name }
}

output "warehouse" {
  description = "Name of the warehouse."
  value       = snowflake_warehouse.this.name
}

output "writer_role" {
  description = "Role that writes and reads."
  value       = snowflake_account_role.writer.name
}
