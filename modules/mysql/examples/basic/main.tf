module "database" {
  source = "../.."

  name        = "orrery-example-shop"
  database    = "shop"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  vpc_id                     = "vpc-0a1b2c3d4e5f60718"
  subnet_ids                 = ["subnet-0a1b2c3d4e5f60718", "subnet-1a2b3c4d5e6f70819"]
  allowed_security_group_ids = ["sg-0a1b2c3d4e5f60718"]
}
