locals {
  identity = {
    function_arn  = "arn:aws:lambda:us-east-1:111122223333:function:orrery-example-identity"
    function_name = "orrery-example-identity"
  }
}

module "api" {
  source = "../.."

  name        = "orrery-example-api"
  description = "Users and their profiles"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

  public_because = "health checks are not able to sign their requests"

  routes = {
    "GET /status"     = merge(local.identity, { public = true })
    "GET /users/{id}" = local.identity
    "PUT /users/{id}" = local.identity
  }

  throttle = { rate_per_s = 20, burst = 40 }
}
