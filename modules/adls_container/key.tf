# The account encrypts as an identity of its own, which exists before the account and may use this one key.
resource "azurerm_user_assigned_identity" "encryption" {
  name                = "${var.name}-encryption"
  location            = var.location
  resource_group_name = var.resource_group
  tags                = var.tags
}

resource "azurerm_role_assignment" "encryption" {
  scope                = "${var.key_vault_id}/keys/${basename(var.key_url)}"
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.encryption.principal_id
  principal_type       = "ServicePrincipal"
}
