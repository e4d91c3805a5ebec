mock_provider "azurerm" {}

variables {
  name                       = "orrerytest"
  container                  = "landing"
  location                   = "westeurope"
  resource_group             = "orrery-test"
  key_url                    = "https://orrery-test.vault.azure.net/keys/lake"
  key_vault_id               = "/subscriptions/0/resourceGroups/orrery-test/providers/Microsoft.KeyVault/vaults/orrery-test"
  log_analytics_workspace_id = "/subscriptions/0/resourceGroups/orrery-test/providers/Microsoft.OperationalInsights/workspaces/orrery-test"
  subnet_id                  = "/subscriptions/0/resourceGroups/orrery-test/providers/Microsoft.Network/virtualNetworks/orrery-test/subnets/endpoints"
}

run "an_account_is_private_and_encrypted" {
  command = apply

  assert {
    condition     = !azurerm_storage_account.this.public_network_access_enabled && azurerm_storage_account.this.network_rules[0].default_action == "Deny" && !azurerm_storage_account.this.allow_nested_items_to_be_public
    error_message = "Nobody may come in from the internet."
  }

  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_storage_account.this.local_user_enabled && azurerm_storage_account.this.min_tls_version == "TLS1_2"
    error_message = "Only identities of Entra ID may come in, over TLS 1.2."
  }

  assert {
    condition     = azurerm_storage_account.this.is_hns_enabled && azurerm_storage_account.this.customer_managed_key[0].key_vault_key_id == var.key_url
    error_message = "The lake has folders, and is encrypted with the customer's key."
  }

  assert {
    condition     = azurerm_role_assignment.encryption.scope == "${var.key_vault_id}/keys/lake"
    error_message = "The account's identity may use this one key of the vault."
  }

  assert {
    condition     = length(azurerm_storage_management_policy.this) == 0 && output.url == "abfss://landing@orrerytest.dfs.core.windows.net/"
    error_message = "Files stay as they are unless asked otherwise."
  }
}

run "old_files_move_and_go" {
  command = plan

  variables {
    cool_after_days   = 30
    cold_after_days   = 90
    delete_after_days = 365
  }

  assert {
    condition     = azurerm_storage_management_policy.this[0].rule[0].actions[0].base_blob[0].delete_after_days_since_modification_greater_than == 365 && azurerm_storage_management_policy.this[0].rule[0].filters[0].prefix_match == toset(["landing/"])
    error_message = "Files of this container go when they are as old as that."
  }
}

run "refuses_cold_before_cool" {
  command         = plan
  expect_failures = [var.cold_after_days]

  variables {
    cool_after_days = 90
    cold_after_days = 30
  }
}

run "refuses_a_container_with_an_underscore" {
  command         = plan
  expect_failures = [var.container]

  variables {
    container = "landing_zone"
  }
}

run "refuses_cooling_at_once" {
  command         = plan
  expect_failures = [var.cool_after_days]

  variables {
    cool_after_days = 0
  }
}

run "refuses_deletion_before_cooling" {
  command         = plan
  expect_failures = [var.delete_after_days]

  variables {
    cool_after_days   = 90
    delete_after_days = 30
  }
}

run "refuses_a_key_with_a_version" {
  command         = plan
  expect_failures = [var.key_url]

  variables {
    key_url = "https://orrery-test.vault.azure.net/keys/lake/0123456789abcdef"
  }
}

run "refuses_a_vault_by_its_name" {
  command         = plan
  expect_failures = [var.key_vault_id]

  variables {
    key_vault_id = "orrery-test"
  }
}

run "refuses_a_location_by_its_title" {
  command         = plan
  expect_failures = [var.location]

  variables {
    location = "West Europe"
  }
}

run "refuses_a_name_with_a_hyphen" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery-test"
  }
}

run "refuses_a_dns_zone_for_queues" {
  command         = plan
  expect_failures = [var.private_dns_zone_ids]

  variables {
    private_dns_zone_ids = { queue = "zone" }
  }
}

run "refuses_a_reader_by_name" {
  command         = plan
  expect_failures = [var.readers]

  variables {
    readers = ["analysts"]
  }
}

run "refuses_copies_in_one_region_only" {
  command         = plan
  expect_failures = [var.replication]

  variables {
    replication = "LRS"
  }
}

run "refuses_soft_deletion_for_a_day" {
  command         = plan
  expect_failures = [var.soft_delete_days]

  variables {
    soft_delete_days = 1
  }
}

run "refuses_a_writer_by_name" {
  command         = plan
  expect_failures = [var.writers]

  variables {
    writers = ["loader"]
  }
}
