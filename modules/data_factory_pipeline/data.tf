# Lakes are reached through private endpoints of the factory's network. Each lake's owner approves them once.
resource "azurerm_data_factory_managed_private_endpoint" "lake" {
  for_each = var.lakes

  data_factory_id    = azurerm_data_factory.this.id
  name               = each.key
  target_resource_id = each.value.account_id
  subresource_name   = "dfs"
}

resource "azurerm_data_factory_linked_service_data_lake_storage_gen2" "lake" {
  for_each = var.lakes

  data_factory_id          = azurerm_data_factory.this.id
  name                     = each.key
  integration_runtime_name = azurerm_data_factory_integration_runtime_azure.this.name
  url                      = each.value.dfs_endpoint
  use_managed_identity     = true

  depends_on = [azurerm_data_factory_managed_private_endpoint.lake]
}

resource "azurerm_role_assignment" "lake" {
  for_each = var.lakes

  scope                = each.value.container_id
  role_definition_name = each.value.write ? "Storage Blob Data Contributor" : "Storage Blob Data Reader"
  principal_id         = azurerm_data_factory.this.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

locals {
  secrets = merge([
    for vault, its in var.key_vaults : { for secret in its.secrets : "${vault}/${secret}" => "${its.id}/secrets/${secret}" }
  ]...)
}

resource "azurerm_data_factory_managed_private_endpoint" "vault" {
  for_each = var.key_vaults

  data_factory_id    = azurerm_data_factory.this.id
  name               = each.key
  target_resource_id = each.value.id
  subresource_name   = "vault"
}

resource "azurerm_data_factory_linked_service_key_vault" "this" {
  for_each = var.key_vaults

  data_factory_id          = azurerm_data_factory.this.id
  name                     = each.key
  integration_runtime_name = azurerm_data_factory_integration_runtime_azure.this.name
  key_vault_id             = each.value.id

  depends_on = [azurerm_data_factory_managed_private_endpoint.vault]
}

# On the named secrets, not the vault: others in it are none of the factory's business.
resource "azurerm_role_assignment" "secret" {
  for_each = local.secrets

  scope                = each.value
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_data_factory.this.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_data_factory_linked_custom_service" "this" {
  for_each = var.linked_services

  data_factory_id      = azurerm_data_factory.this.id
  name                 = each.key
  type                 = each.value.type
  type_properties_json = each.value.properties

  integration_runtime {
    name = azurerm_data_factory_integration_runtime_azure.this.name
  }

  # A reference to a vault is refused while the vault isn't known.
  depends_on = [azurerm_data_factory_linked_service_key_vault.this]
}

resource "azurerm_data_factory_custom_dataset" "this" {
  for_each = var.datasets

  data_factory_id      = azurerm_data_factory.this.id
  name                 = each.key
  type                 = each.value.type
  type_properties_json = each.value.properties

  linked_service {
    name = each.value.linked_service
  }

  depends_on = [
    azurerm_data_factory_linked_custom_service.this,
    azurerm_data_factory_linked_service_data_lake_storage_gen2.lake,
  ]
}
