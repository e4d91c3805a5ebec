output "role_arns" {
  description = "ARNs of the roles that S3 replicates with, by direction: `a_to_b` and `b_to_a`."
  value = {
    a_to_b = aws_iam_role.a_to_b.arn
    b_to_a = aws_iam_role.b_to_a.arn
  }
}

output "rule_ids" {
  description = "Ids of the replication rules by direction: the RuleId dimension of the replication metrics."
  value = {
    a_to_b = aws_s3_bucket_replication_configuration.a_to_b.rule[0].id
    b_to_a = aws_s3_bucket_replication_configuration.b_to_a.rule[0].id
  }
}
