resource "aws_lb" "web" {
  name     = "orrery-sample-web"
  internal = false
  subnets  = ["subnet-0a", "subnet-0b"]

  tags = {
    "public-because" = "the status page is for everybody"
  }
}
