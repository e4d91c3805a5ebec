module "orders" {
  source = "../.."

  name        = "orrery-example-orders"
  description = "Cleans the day's orders and adds them up."
  run_as      = "11111111-2222-3333-4444-555555555555"

  node_type     = "m6gd.large"
  spark_version = "16.4.x-scala2.12"
  workers       = { max = 4 }

  tasks = {
    clean = {
      description = "Orders without duplicates and errors"
      wheel = {
        file        = "/Volumes/main/packages/wheels/orders-1.0.0-py3-none-any.whl"
        package     = "orders"
        entry_point = "clean"
        parameters  = { source = "main.landing.orders", target = "main.silver.orders" }
      }
    }
    add_up = {
      depends_on = ["clean"]
      notebook   = { path = "/Workspace/Shared/orders/add_up" }
      retries    = 0
    }
  }

  schedule   = { cron = "0 30 4 * * ?" }
  expected_s = 1800
  notify     = ["oncall@example.com"]

  managers = ["data-engineers"]
  viewers  = ["analysts"]

  tags = { stack = "example", data-class = "internal" }
}
