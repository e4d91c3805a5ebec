resource "aws_lb" "web" {
  name     = "orrery-sample-web"
  internal = false
  subnets  = ["subnet-0a", "subnet-0b"]
}
