resource "aws_subnet" "pass" {
  vpc_id            = "vpc-0a"
  cidr_block        = "10.0.0.0/24"
  availability_zone = "us-east-1a"
}

resource "aws_subnet" "fail" {
  vpc_id            = "vpc-0a"
  cidr_block        = "10.0.0.0/24"
  availability_zone = "us-west-2a"
}
