# Version 0.1.0 made bucket and dataset itself: who has them keeps them. Only the writers' right to the table is made anew.
moved {
  from = google_storage_bucket.avatars
  to   = module.avatars.google_storage_bucket.this
}

moved {
  from = google_storage_bucket_iam_member.reader
  to   = module.avatars.google_storage_bucket_iam_member.reader
}

moved {
  from = google_storage_bucket_iam_member.writer
  to   = module.avatars.google_storage_bucket_iam_member.writer
}

moved {
  from = google_kms_crypto_key_iam_member.storage
  to   = module.avatars.google_kms_crypto_key_iam_member.storage
}

moved {
  from = google_kms_crypto_key_iam_member.bigquery
  to   = module.users.google_kms_crypto_key_iam_member.bigquery
}

moved {
  from = google_bigquery_dataset.identity
  to   = module.users.google_bigquery_dataset.this
}

moved {
  from = google_bigquery_dataset_iam_member.reader
  to   = module.users.google_bigquery_dataset_iam_member.reader
}

moved {
  from = google_bigquery_table.user_changes
  to   = module.users.google_bigquery_table.this["user_changes"]
}

moved {
  from = google_bigquery_table.users
  to   = module.users.google_bigquery_table.view["users"]
}
