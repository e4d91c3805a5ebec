locals {
  subscription = "/subscriptions/00000000-0000-0000-0000-000000000000"
  group        = "${local.subscription}/resourceGroups/orrery-example"
}

module "lake" {
  source = "../.."

  name           = "orreryexamplelake"
  container      = "landing"
  location       = "westeurope"
  resource_group = "orrery-example"

  key_url                    = "https://orrery-example.vault.azure.net/keys/lake"
  key_vault_id               = "${local.group}/providers/Microsoft.KeyVault/vaults/orrery-example"
  log_analytics_workspace_id = "${local.group}/providers/Microsoft.OperationalInsights/workspaces/orrery-example"

  subnet_id = "${local.group}/providers/Microsoft.Network/virtualNetworks/orrery-example/subnets/endpoints"
  private_dns_zone_ids = {
    blob = "${local.group}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
    dfs  = "${local.group}/providers/Microsoft.Network/privateDnsZones/privatelink.dfs.core.windows.net"
  }

  cool_after_days   = 30
  delete_after_days = 730

  readers = ["11111111-2222-3333-4444-555555555555"]
  writers = ["66666666-7777-8888-9999-000000000000"]

  tags = { stack = "example", data-class = "internal" }
}
