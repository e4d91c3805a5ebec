locals {
  group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/orrery-example"
  lake  = "${local.group}/providers/Microsoft.Storage/storageAccounts/orreryexamplelake"
}

module "copy" {
  source = "../.."

  name           = "orrery-example"
  pipeline       = "copy-orders"
  description    = "Copies the day's orders from the shop's bucket on AWS into the lake."
  location       = "westeurope"
  resource_group = "orrery-example"

  key_url                    = "https://orrery-example.vault.azure.net/keys/factory"
  key_vault_id               = "${local.group}/providers/Microsoft.KeyVault/vaults/orrery-example"
  log_analytics_workspace_id = "${local.group}/providers/Microsoft.OperationalInsights/workspaces/orrery-example"
  alert_action_group_id      = "${local.group}/providers/Microsoft.Insights/actionGroups/oncall"

  lakes = {
    lake = {
      account_id   = local.lake
      container_id = "${local.lake}/blobServices/default/containers/landing"
      dfs_endpoint = "https://orreryexamplelake.dfs.core.windows.net/"
      write        = true
    }
  }

  key_vaults = {
    vault = {
      id      = "${local.group}/providers/Microsoft.KeyVault/vaults/orrery-example"
      secrets = ["shop-secret-access-key"]
    }
  }

  linked_services = {
    shop = {
      type = "AmazonS3"
      properties = jsonencode({
        authenticationType = "AccessKey"
        accessKeyId        = "AKIAIOSFODNN7EXAMPLE"
        secretAccessKey = {
          type       = "AzureKeyVaultSecret"
          secretName = "shop-secret-access-key"
          store      = { referenceName = "vault", type = "LinkedServiceReference" }
        }
      })
    }
  }

  datasets = {
    orders_in_shop = {
      linked_service = "shop"
      type           = "Binary"
      properties     = jsonencode({ location = { type = "AmazonS3Location", bucketName = "orrery-example-orders", folderPath = "daily" } })
    }
    orders_in_lake = {
      linked_service = "lake"
      type           = "Binary"
      properties     = jsonencode({ location = { type = "AzureBlobFSLocation", fileSystem = "landing", folderPath = "orders" } })
    }
  }

  activities = jsonencode([
    {
      name    = "copy"
      type    = "Copy"
      inputs  = [{ referenceName = "orders_in_shop", type = "DatasetReference" }]
      outputs = [{ referenceName = "orders_in_lake", type = "DatasetReference" }]
      policy  = { timeout = "0.01:00:00", retry = 2, retryIntervalInSeconds = 60 }
      typeProperties = {
        source = { type = "BinarySource", storeSettings = { type = "AmazonS3ReadSettings", recursive = true } }
        sink   = { type = "BinarySink", storeSettings = { type = "AzureBlobFSWriteSettings" } }
      }
    },
  ])

  schedule = { start_time = "2027-01-01T00:00:00Z", hours = [4], minutes = [30] }

  tags = { stack = "example", data-class = "internal" }
}
