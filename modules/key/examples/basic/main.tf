module "key" {
  source = "../.."

  name        = "orrery-example-data"
  description = "Encrypts the example's topic and logs."
  account_id  = "111122223333"
  services    = ["events", "logs", "sns"]
}
