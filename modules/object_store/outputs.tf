output "access_log_bucket" {
  description = "Name of the bucket that takes the access logs, to share with other buckets of the region."
  value       = local.access_log_bucket
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "domain" {
  description = "Regional host name of the bucket."
  value       = aws_s3_bucket.this.bucket_regional_domain_name
}

# Whoever uses the name (replication, a producer) finds versioning, encryption and the policy in place.
output "name" {
  description = "Name of the bucket, known once it is ready for use."
  value       = aws_s3_bucket.this.id

  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}
