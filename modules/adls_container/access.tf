resource "azurerm_private_endpoint" "this" {
  for_each = toset(["blob", "dfs"])

  name                = "${var.name}-${each.key}"
  location            = var.location
  resource_group_name = var.resource_group
  subnet_id           = var.subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = "${var.name}-${each.key}"
    private_connection_resource_id = azurerm_storage_account.this.id
    subresource_names              = [each.key]
    is_manual_connection           = false
  }

  dynamic "private_dns_zone_group" {
    for_each = contains(keys(var.private_dns_zone_ids), each.key) ? [1] : []

    content {
      name                 = each.key
      private_dns_zone_ids = [var.private_dns_zone_ids[each.key]]
    }
  }
}

resource "azurerm_role_assignment" "reader" {
  for_each = var.readers

  scope                = azurerm_storage_container.this.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = each.key
}

# Contributor, not owner: a writer writes and deletes files, and sets no access lists.
resource "azurerm_role_assignment" "writer" {
  for_each = var.writers

  scope                = azurerm_storage_container.this.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = each.key
}
