resource "aws_security_group" "workloads" {
  name   = "my-workloads"
  vpc_id = "vpc-0a"
}
