output "account_id" {
  description = "Resource ID of the storage account."
  value       = azurerm_storage_account.this.id
}

output "container_id" {
  description = "Resource ID of the container, the scope of roles on it."
  value       = azurerm_storage_container.this.id
}

output "dfs_endpoint" {
  description = "`https://` address of the account's data lake."
  value       = azurerm_storage_account.this.primary_dfs_endpoint
}

output "url" {
  description = "`abfss://` address of the container, for Spark, Databricks and the like."
  value       = "abfss://${azurerm_storage_container.this.name}@${azurerm_storage_account.this.name}.dfs.core.windows.net/"
}
