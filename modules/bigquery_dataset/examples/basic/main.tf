module "sales" {
  source = "../.."

  name           = "orrery_example_sales"
  description    = "Orders of the example's shop"
  project_id     = "orrery-example"
  project_number = "123456789012"
  kms_key        = "projects/orrery-example/locations/europe/keyRings/data/cryptoKeys/sales"

  tables = {
    orders = {
      description = "One row for each order"
      clustering  = ["customer_id"]
      partition   = { field = "ordered_at", expiration_days = 1095, filter_required = true }
      writers     = ["serviceAccount:loader@orrery-example.iam.gserviceaccount.com"]

      schema = jsonencode([
        { name = "order_id", type = "STRING", mode = "REQUIRED", description = "Key of the order" },
        { name = "customer_id", type = "STRING", mode = "REQUIRED", description = "Who ordered" },
        { name = "ordered_at", type = "TIMESTAMP", mode = "REQUIRED", description = "When it was ordered" },
        { name = "amount", type = "NUMERIC", mode = "NULLABLE", description = "Price in euro" },
      ])
    }
  }

  views = {
    revenue = {
      description = "Revenue by day"
      query       = <<-SQL
        SELECT DATE(ordered_at) AS day, SUM(amount) AS revenue
        FROM `orrery-example.orrery_example_sales.orders`
        WHERE ordered_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 90 DAY)
        GROUP BY day
      SQL
    }
  }

  readers = ["group:analysts@example.com"]
  labels  = { stack = "example", data = "internal" }
}
