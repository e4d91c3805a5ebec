module "landing" {
  source = "../.."

  name           = "orrery-example-landing"
  project_id     = "orrery-example"
  project_number = "123456789012"
  kms_key        = "projects/orrery-example/locations/europe/keyRings/data/cryptoKeys/landing"

  regions           = ["europe-west1", "europe-west4"]
  turbo_replication = true

  access_log_bucket = "orrery-example-logs"
  retention_days    = 30
  transitions       = { NEARLINE = 90 }
  expiration_days   = 730

  readers = ["group:analysts@example.com"]
  writers = ["principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws/attribute.aws_role/replication"]

  labels = { stack = "example", data = "internal" }
}
