# Whatever is started without a security group of its own lands here and can talk to nothing.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints of ${var.name}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "AWS APIs, from the workloads"
  referenced_security_group_id = aws_security_group.workloads.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_security_group" "workloads" {
  #checkov:skip=CKV2_AWS_5:Handed out for the functions and tasks of the stack that builds this network.
  name        = "${var.name}-workloads"
  description = "What runs in ${var.name}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-workloads" }
}

resource "aws_vpc_security_group_egress_rule" "workloads_interface" {
  security_group_id            = aws_security_group.workloads.id
  description                  = "AWS APIs, through interface endpoints"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "workloads_gateway" {
  for_each = aws_vpc_endpoint.gateway

  security_group_id = aws_security_group.workloads.id
  description       = "${each.key}, through its gateway endpoint"
  prefix_list_id    = each.value.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
