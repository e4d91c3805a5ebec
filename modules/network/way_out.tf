# One NAT gateway, in the first zone: a second one would double the price, and what goes out here can wait for a zone to
# come back. The subnet that it stands in holds nothing else, and no address there is given to anybody.
resource "aws_internet_gateway" "way_out" {
  count = var.way_out ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-way-out" }
}

resource "aws_subnet" "way_out" {
  count = var.way_out ? 1 : 0

  vpc_id                  = aws_vpc.this.id
  availability_zone       = var.availability_zones[0]
  cidr_block              = cidrsubnet(var.cidr, 4, 15) # the last sixteenth: the zones count from the first
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-way-out" }
}

resource "aws_route_table" "way_out" {
  count = var.way_out ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-way-out" }
}

resource "aws_route" "way_out" {
  count = var.way_out ? 1 : 0

  route_table_id         = aws_route_table.way_out[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.way_out[0].id
}

resource "aws_route_table_association" "way_out" {
  count = var.way_out ? 1 : 0

  route_table_id = aws_route_table.way_out[0].id
  subnet_id      = aws_subnet.way_out[0].id
}

resource "aws_eip" "way_out" {
  count = var.way_out ? 1 : 0

  domain = "vpc"

  tags = { Name = "${var.name}-way-out" }
}

resource "aws_nat_gateway" "way_out" {
  count = var.way_out ? 1 : 0

  allocation_id = aws_eip.way_out[0].id
  subnet_id     = aws_subnet.way_out[0].id

  tags = { Name = "${var.name}-way-out" }

  # It sends nothing before its subnet has a way.
  depends_on = [aws_route.way_out]
}

resource "aws_route" "through_nat" {
  count = var.way_out ? 1 : 0

  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.way_out[0].id
}

resource "aws_vpc_security_group_egress_rule" "workloads_way_out" {
  count = var.way_out ? 1 : 0

  security_group_id = aws_security_group.workloads.id
  description       = "HTTPS to services outside of AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
