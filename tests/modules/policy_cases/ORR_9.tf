locals {
  because = { "public-because" = "the status page is for everybody" }
}

resource "aws_security_group" "closed" {
  name   = "orrery-sample-closed"
  vpc_id = "vpc-0a"
}

resource "aws_security_group" "open" {
  name   = "orrery-sample-open"
  vpc_id = "vpc-0a"
  tags   = local.because
}

resource "aws_vpc_security_group_ingress_rule" "fail" {
  security_group_id = aws_security_group.closed.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_security_group_rule" "fail_ipv6" {
  security_group_id = aws_security_group.closed.id
  type              = "ingress"
  ipv6_cidr_blocks  = ["::/0"]
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_ingress_rule" "pass_said_by_its_group" {
  security_group_id = aws_security_group.open.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "pass_one_network" {
  security_group_id = aws_security_group.closed.id
  cidr_ipv4         = "10.0.0.0/8"
  ip_protocol       = "-1"
}

resource "aws_lb" "fail_a_reason_of_one_word" {
  name    = "orrery-sample-web"
  subnets = ["subnet-0a", "subnet-0b"]
  tags    = { "public-because" = "needed" }
}

resource "aws_s3_bucket" "bucket" {
  bucket = "orrery-sample-bucket"
}

resource "aws_s3_bucket_public_access_block" "fail" {
  bucket              = aws_s3_bucket.bucket.id
  block_public_acls   = true
  block_public_policy = true
  ignore_public_acls  = true
}

resource "aws_s3_bucket_policy" "fail" {
  bucket = aws_s3_bucket.bucket.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { AWS = ["*"] }, Action = "s3:GetObject", Resource = "arn:aws:s3:::orrery-sample-bucket/*" }]
  })
}

resource "aws_sqs_queue" "pass_with_a_condition" {
  name = "orrery-sample-queue"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "sqs:SendMessage"
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]
  })
}

data "aws_iam_policy_document" "fail" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.pass_with_a_condition.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

resource "aws_apigatewayv2_api" "api" {
  name          = "orrery-sample-api"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_route" "fail" {
  api_id    = aws_apigatewayv2_api.api.id
  route_key = "GET /"
}

resource "aws_apigatewayv2_route" "pass" {
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = "PUT /"
  authorization_type = "AWS_IAM"
}

resource "aws_db_instance" "fail" {
  identifier                  = "orrery-sample-db"
  instance_class              = "db.t4g.micro"
  engine                      = "postgres"
  allocated_storage           = 20
  username                    = "admin"
  manage_master_user_password = true
  publicly_accessible         = true
}

resource "aws_redshiftserverless_workgroup" "fail" {
  namespace_name      = "orrery-sample-warehouse"
  workgroup_name      = "orrery-sample-warehouse"
  publicly_accessible = true
}

resource "aws_redshiftserverless_workgroup" "pass" {
  namespace_name      = "orrery-sample-warehouse"
  workgroup_name      = "orrery-sample-warehouse-2"
  publicly_accessible = false
}
