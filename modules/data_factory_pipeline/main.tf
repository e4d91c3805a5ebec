resource "azurerm_data_factory" "this" {
  #checkov:skip=CKV_AZURE_103:The pipeline's source is its Terraform, in a repository with reviews; a second one in the factory would compete with it.
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group
  tags                = var.tags

  managed_virtual_network_enabled = true
  public_network_enabled          = false

  # As the first it reads and writes data, as the second it uses the key.
  identity {
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.encryption.id]
  }

  customer_managed_key_id          = var.key_url
  customer_managed_key_identity_id = azurerm_user_assigned_identity.encryption.id

  depends_on = [azurerm_role_assignment.encryption]
}

# The machines that copy stand in the factory's own network; those that Azure offers by default have a way to the internet.
resource "azurerm_data_factory_integration_runtime_azure" "this" {
  data_factory_id         = azurerm_data_factory.this.id
  name                    = "private"
  location                = var.location
  description             = "Copies within the factory's managed network"
  time_to_live_min        = 10
  virtual_network_enabled = true
}

resource "azurerm_data_factory_pipeline" "this" {
  data_factory_id = azurerm_data_factory.this.id
  name            = var.pipeline
  description     = var.description
  activities_json = var.activities
  concurrency     = 1
  parameters      = var.parameters

  depends_on = [
    azurerm_data_factory_custom_dataset.this,
    azurerm_data_factory_linked_custom_service.this,
    azurerm_data_factory_linked_service_data_lake_storage_gen2.lake,
  ]
}

resource "azurerm_data_factory_trigger_schedule" "this" {
  count = var.schedule == null ? 0 : 1

  data_factory_id     = azurerm_data_factory.this.id
  name                = "${var.pipeline}-schedule"
  activated           = true
  frequency           = var.schedule.frequency
  interval            = var.schedule.interval
  pipeline_name       = azurerm_data_factory_pipeline.this.name
  pipeline_parameters = var.schedule.parameters
  start_time          = var.schedule.start_time
  time_zone           = var.schedule.time_zone

  dynamic "schedule" {
    for_each = length(var.schedule.hours) > 0 ? [1] : []

    content {
      hours   = var.schedule.hours
      minutes = var.schedule.minutes
    }
  }
}
