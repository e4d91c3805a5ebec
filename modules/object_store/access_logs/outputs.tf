output "name" {
  description = "Name of the bucket, known once S3 may deliver to it."
  value       = aws_s3_bucket.access_logs.id

  depends_on = [aws_s3_bucket_policy.this]
}
