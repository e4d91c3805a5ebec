data "aws_region" "current" {}

locals {
  # One subnet per zone, each a sixteenth of the range: a /16 gives /20 with 4,091 addresses.
  subnets = { for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index) }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  enable_dns_support   = true

  tags = { Name = var.name }
}

resource "aws_subnet" "private" {
  for_each = local.subnets

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${each.key}" }
}

# No route but the VPC's own: neither an internet gateway nor a NAT exists to send anything to, unless `way_out` asks.
resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  route_table_id = aws_route_table.private.id
  subnet_id      = each.value.id
}
