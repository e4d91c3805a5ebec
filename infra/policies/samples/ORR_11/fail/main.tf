resource "aws_security_group" "workloads" {
  name   = "orrery-sample-workloads"
  vpc_id = "vpc-0a"

  tags = {
    owner = ""
  }
}
