resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV_AZURE_33:A data lake has no queues whose use could be logged; access to its files is logged to Log Analytics.
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group
  tags                = var.tags

  account_kind             = "StorageV2"
  account_replication_type = var.replication
  account_tier             = "Standard"
  is_hns_enabled           = true

  # Nobody gets in by a key of the account or from the internet: Entra ID says who, a private endpoint from where.
  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  default_to_oauth_authentication   = true
  https_traffic_only_enabled        = true
  infrastructure_encryption_enabled = true
  local_user_enabled                = false
  min_tls_version                   = "TLS1_2"
  public_network_access_enabled     = false
  shared_access_key_enabled         = false

  # Without the account's keys no such token can be made; the policy holds should somebody switch them on.
  sas_policy {
    expiration_period = "00.01:00:00"
    expiration_action = "Log"
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.encryption.id]
  }

  customer_managed_key {
    key_vault_key_id          = var.key_url
    user_assigned_identity_id = azurerm_user_assigned_identity.encryption.id
  }

  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"]
  }

  blob_properties {
    delete_retention_policy {
      days = var.soft_delete_days
    }

    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  depends_on = [azurerm_role_assignment.encryption]
}

resource "azurerm_storage_container" "this" {
  #checkov:skip=CKV2_AZURE_21:The diagnostic setting below logs reads; the check looks for the older Log Analytics storage insights only.
  name                  = var.container
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "this" {
  count = var.cool_after_days != null || var.cold_after_days != null || var.delete_after_days != null ? 1 : 0

  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "age"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${azurerm_storage_container.this.name}/"]
    }

    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = var.cool_after_days
        tier_to_cold_after_days_since_modification_greater_than = var.cold_after_days
        delete_after_days_since_modification_greater_than       = var.delete_after_days
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "blob" {
  name                       = "access"
  target_resource_id         = "${azurerm_storage_account.this.id}/blobServices/default"
  log_analytics_workspace_id = var.log_analytics_workspace_id

  dynamic "enabled_log" {
    for_each = ["StorageDelete", "StorageRead", "StorageWrite"]

    content {
      category = enabled_log.value
    }
  }
}
