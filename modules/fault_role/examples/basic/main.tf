module "fault_role" {
  source = "../.."

  name       = "orrery-example-fault-role"
  account_id = "111122223333"

  table_arns = [
    "arn:aws:dynamodb:us-east-1:111122223333:table/orrery-example-users",
    "arn:aws:dynamodb:eu-west-1:111122223333:table/orrery-example-users",
  ]

  bucket_arns = [
    "arn:aws:s3:::orrery-example-avatars-us",
    "arn:aws:s3:::orrery-example-avatars-eu",
  ]
}
