# A package too large for a direct upload, in a function that reaches its database inside a VPC.
module "loader" {
  source = "../.."

  name        = "orrery-example-private-loader"
  handler     = "handler.handler"
  memory_mb   = 1024
  timeout_s   = 300
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  package_path   = "${path.module}/loader.zip"
  package_bytes  = 62914560
  package_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  package_bucket = { name = "orrery-example-packages" }

  subnet_ids         = ["subnet-0a1b2c3d4e5f60718", "subnet-1a2b3c4d5e6f70819"]
  security_group_ids = ["sg-0a1b2c3d4e5f60718"]

  reserved_concurrency = 2
  async_retries        = 1
}
