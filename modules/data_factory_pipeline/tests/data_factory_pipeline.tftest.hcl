mock_provider "azurerm" {}

variables {
  name                       = "orrery-test"
  pipeline                   = "copy"
  description                = "Copies what a test needs."
  location                   = "westeurope"
  resource_group             = "orrery-test"
  key_url                    = "https://orrery-test.vault.azure.net/keys/factory"
  key_vault_id               = "/subscriptions/0/resourceGroups/orrery-test/providers/Microsoft.KeyVault/vaults/orrery-test"
  log_analytics_workspace_id = "/subscriptions/0/resourceGroups/orrery-test/providers/Microsoft.OperationalInsights/workspaces/orrery-test"

  activities = "[{\"name\": \"wait\", \"type\": \"Wait\", \"typeProperties\": {\"waitTimeInSeconds\": 1}}]"
}

run "a_factory_is_private_and_encrypted" {
  command = apply

  assert {
    condition     = azurerm_data_factory.this.managed_virtual_network_enabled && !azurerm_data_factory.this.public_network_enabled && azurerm_data_factory_integration_runtime_azure.this.virtual_network_enabled
    error_message = "What copies stands in a network without a way to the internet."
  }

  assert {
    condition     = azurerm_data_factory.this.customer_managed_key_id == var.key_url && azurerm_data_factory.this.customer_managed_key_identity_id == azurerm_user_assigned_identity.encryption.id
    error_message = "The factory is encrypted with the customer's key."
  }

  assert {
    condition     = length(azurerm_data_factory_trigger_schedule.this) == 0
    error_message = "Without a schedule nothing starts it."
  }

  assert {
    condition     = azurerm_monitor_metric_alert.failed.criteria[0].dimension[0].values[0] == "copy" && length(azurerm_monitor_metric_alert.failed.action) == 0
    error_message = "The alert is about this pipeline, and stays without a receiver."
  }
}

run "a_lake_is_read_privately_and_as_itself" {
  command = plan

  variables {
    lakes = {
      lake = { account_id = "/account", container_id = "/account/container", dfs_endpoint = "https://lake.dfs.core.windows.net/" }
    }
  }

  assert {
    condition     = azurerm_data_factory_linked_service_data_lake_storage_gen2.lake["lake"].use_managed_identity && azurerm_data_factory_managed_private_endpoint.lake["lake"].target_resource_id == "/account"
    error_message = "The lake is reached through a private endpoint, without a key."
  }

  assert {
    condition     = azurerm_role_assignment.lake["lake"].role_definition_name == "Storage Blob Data Reader" && azurerm_role_assignment.lake["lake"].scope == "/account/container"
    error_message = "Unless asked otherwise the factory only reads, and only this container."
  }
}

run "a_schedule_starts_it" {
  command = plan

  variables {
    parameters = { day = "" }
    schedule   = { hours = [4], parameters = { day = "today" } }
  }

  assert {
    condition     = azurerm_data_factory_trigger_schedule.this[0].activated && azurerm_data_factory_trigger_schedule.this[0].schedule[0].hours == tolist([4]) && azurerm_data_factory_trigger_schedule.this[0].frequency == "Day"
    error_message = "Every day at four."
  }
}

run "refuses_activities_that_are_no_list" {
  command         = plan
  expect_failures = [var.activities]

  variables {
    activities = "{\"name\": \"wait\"}"
  }
}

run "refuses_an_activity_after_one_that_is_none" {
  command         = plan
  expect_failures = [var.activities]

  variables {
    activities = "[{\"name\": \"wait\", \"type\": \"Wait\", \"dependsOn\": [{\"activity\": \"load\", \"dependencyConditions\": [\"Succeeded\"]}]}]"
  }
}

run "refuses_a_dataset_that_is_no_object" {
  command         = plan
  expect_failures = [var.datasets]

  variables {
    linked_services = { shop = { type = "AmazonS3", properties = "{}" } }
    datasets        = { orders = { linked_service = "shop", type = "Binary", properties = "[]" } }
  }
}

run "refuses_a_dataset_without_its_service" {
  command         = plan
  expect_failures = [var.datasets]

  variables {
    datasets = { orders = { linked_service = "shop", type = "Binary", properties = "{}" } }
  }
}

run "refuses_a_key_with_a_version" {
  command         = plan
  expect_failures = [var.key_url]

  variables {
    key_url = "https://orrery-test.vault.azure.net/keys/factory/0123456789abcdef"
  }
}

run "refuses_a_vault_by_its_name" {
  command         = plan
  expect_failures = [var.key_vault_id]

  variables {
    key_vault_id = "orrery-test"
  }
}

run "refuses_a_vault_of_secrets_by_its_name" {
  command         = plan
  expect_failures = [var.key_vaults]

  variables {
    key_vaults = { vault = { id = "orrery-test", secrets = [] } }
  }
}

run "refuses_a_vault_with_the_name_of_a_service" {
  command         = plan
  expect_failures = [var.key_vaults]

  variables {
    linked_services = { shop = { type = "AmazonS3", properties = "{}" } }
    key_vaults      = { shop = { id = "/subscriptions/0/resourceGroups/x/providers/Microsoft.KeyVault/vaults/x", secrets = [] } }
  }
}

run "refuses_a_service_that_is_no_object" {
  command         = plan
  expect_failures = [var.linked_services]

  variables {
    linked_services = { shop = { type = "AmazonS3", properties = "shop" } }
  }
}

run "refuses_a_secret_in_a_service" {
  command         = plan
  expect_failures = [var.linked_services]

  variables {
    linked_services = { shop = { type = "AmazonS3", properties = "{\"secretAccessKey\": {\"type\": \"SecureString\", \"value\": \"x\"}}" } }
  }
}

run "refuses_a_service_with_the_name_of_a_lake" {
  command         = plan
  expect_failures = [var.linked_services]

  variables {
    lakes           = { shop = { account_id = "/account", container_id = "/container", dfs_endpoint = "https://x.dfs.core.windows.net/" } }
    linked_services = { shop = { type = "AmazonS3", properties = "{}" } }
  }
}

run "refuses_a_location_by_its_title" {
  command         = plan
  expect_failures = [var.location]

  variables {
    location = "West Europe"
  }
}

run "refuses_a_name_with_an_underscore" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery_test"
  }
}

run "refuses_a_pipeline_with_a_slash" {
  command         = plan
  expect_failures = [var.pipeline]

  variables {
    pipeline = "copy/orders"
  }
}

run "refuses_a_frequency_that_is_none" {
  command         = plan
  expect_failures = [var.schedule]

  variables {
    schedule = { frequency = "Fortnight" }
  }
}

run "refuses_a_parameter_that_is_none" {
  command         = plan
  expect_failures = [var.schedule]

  variables {
    schedule = { parameters = { day = "today" } }
  }
}

run "refuses_an_hour_that_is_none" {
  command         = plan
  expect_failures = [var.schedule]

  variables {
    schedule = { hours = [24] }
  }
}
