# What the module kafka does on AWS, carried by the local broker, which exists already when this is applied. Nothing is made
# here: topics come from the same job, and the rights are the same documents, about a cluster that has no IAM.
# Variables that describe the MSK cluster are taken, so that a stack passes the same values to both, and have no effect.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_id  = split(":", var.kms_key_arn)[4]
  cluster_arn = "arn:${data.aws_partition.current.partition}:kafka:${data.aws_region.current.name}:${local.account_id}:cluster/${var.name}/00000000-0000-0000-0000-000000000000-1"
}

module "access" {
  source = "../access"

  clients     = var.clients
  cluster_arn = local.cluster_arn
  replication = var.standin.brokers
  serverless  = var.serverless
  topics      = var.topics
}
