module "warehouse" {
  source = "../.."

  name              = "ORRERY_EXAMPLE"
  comment           = "Orders of the example's shop"
  credits_per_month = 40

  database = "ORRERY_EXAMPLE_SALES"
  schemas = {
    LANDING = "As delivered"
    MARTS   = "Facts and dimensions"
  }

  readers      = ["ANALYST"]
  writers      = ["LOADER"]
  notify_users = ["ONCALL"]
}
