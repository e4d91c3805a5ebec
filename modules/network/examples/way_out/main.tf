module "network" {
  source = "../.."

  name                = "orrery-example-outward"
  cidr                = "10.21.0.0/16"
  availability_zones  = ["us-east-1a", "us-east-1b"]
  interface_endpoints = ["kms", "logs", "secretsmanager", "sqs"]
  way_out             = true
  kms_key_arn         = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
}
