module "key" {
  source = "../.."

  name        = "orrery-example-data"
  description = "Encrypts the example's bucket, topic and logs."
  account_id  = "111122223333"
  services    = ["logs", "s3", "sns"]
}
