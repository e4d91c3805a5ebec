module "replica" {
  source = "../.."

  name           = "orrery-example-identity"
  project_id     = "orrery-example"
  project_number = "123456789012"

  multi_region = "EU"
  regions      = ["europe-west1", "europe-west4"]

  access_log_bucket = "orrery-example-logs"
  bucket_kms_key    = "projects/orrery-example/locations/europe/keyRings/replica/cryptoKeys/avatars"
  dataset_kms_key   = "projects/orrery-example/locations/europe/keyRings/replica/cryptoKeys/users"

  readers = ["group:analysts@example.com"]
  writers = ["principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws/attribute.aws_role/replication"]

  labels = { stack = "example", data = "personal" }
}
