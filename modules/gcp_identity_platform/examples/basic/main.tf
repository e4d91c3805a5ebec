module "identity" {
  source = "../.."

  name           = "orrery-example-identity"
  project_id     = "orrery-example"
  project_number = "123456789012"
  domain         = "users.example.com"
  image          = "europe-docker.pkg.dev/orrery-example/identity/api@sha256:0f6c9a4d21b7e83512d4a8c07be95f6e3d1a2c48b50796e8f3a1d2c4b5e6f708"

  multi_region = "EU"
  kms_key      = "projects/orrery-example/locations/europe/keyRings/identity/cryptoKeys/data"

  regions = {
    europe-west1 = "projects/orrery-example/locations/europe-west1/keyRings/identity/cryptoKeys/secret"
    europe-west4 = "projects/orrery-example/locations/europe-west4/keyRings/identity/cryptoKeys/secret"
  }

  access_log_bucket     = "orrery-example-logs"
  avatar_writers        = ["serviceAccount:web@orrery-example.iam.gserviceaccount.com"]
  invokers              = ["serviceAccount:web@orrery-example.iam.gserviceaccount.com"]
  notification_channels = ["projects/orrery-example/notificationChannels/1234567890"]

  labels = { stack = "example", data = "personal" }
}
