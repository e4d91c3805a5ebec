# Whoever reads the secret finds a value in it.
output "arn" {
  description = "ARN of the secret, known once it holds a value."
  value       = aws_secretsmanager_secret_version.this.arn
}

output "name" {
  description = "Name of the secret; the same in every replica's region."
  value       = aws_secretsmanager_secret.this.name

  depends_on = [aws_secretsmanager_secret_version.this]
}

output "replica_arns" {
  description = "ARNs of the secret by region, of the replicas only."
  value = {
    for region in keys(var.replicas) :
    region => join(":", [for index, part in split(":", aws_secretsmanager_secret_version.this.arn) : index == 3 ? region : part])
  }
}
