module "dns" {
  source = "../.."

  zone_name  = "identity.example.com"
  comment    = "Sends callers of the identity API to us-east-1, and to eu-west-1 while that is unhealthy."
  account_id = "111122223333"

  records = {
    api = {
      routing = "failover"
      primary = "us-east-1"
      endpoints = {
        us-east-1 = {
          target       = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
          health_check = { host = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", path = "/health" }
        }
        eu-west-1 = {
          target       = "f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com"
          health_check = { host = "f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com", path = "/health" }
        }
      }
    }
  }
}
