output "factory_id" {
  description = "Resource ID of the factory."
  value       = azurerm_data_factory.this.id
}

output "name" {
  description = "Name of the factory."
  value       = azurerm_data_factory.this.name
}

output "pipeline" {
  description = "Name of the pipeline, as a run is started by."
  value       = azurerm_data_factory_pipeline.this.name
}

output "principal_id" {
  description = "Object ID of the identity that reads and writes data, for roles outside of `lakes`."
  value       = azurerm_data_factory.this.identity[0].principal_id
}
