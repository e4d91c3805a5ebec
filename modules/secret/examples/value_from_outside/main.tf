# Ephemeral: neither a plan nor a state holds it. TF_VAR_token=… hands it over.
variable "token" {
  type      = string
  ephemeral = true
}

module "token" {
  source = "../.."

  name        = "orrery-example/partner-token"
  description = "Token of the example's partner, who made it."
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  value         = var.token
  value_version = 1 # raise it when the partner sends a new one
}
