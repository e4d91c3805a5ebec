resource "aws_security_group" "this" {
  name        = "${var.name}-redshift"
  description = "Redshift ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-redshift" }
}

# Both ends of the path are opened here, so that a client's group needs to know nothing about warehouses.
resource "aws_vpc_security_group_ingress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = aws_security_group.this.id
  description                  = "Redshift, from a client"
  referenced_security_group_id = var.allowed_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = 5439
  to_port                      = 5439
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = var.allowed_security_group_ids[count.index]
  description                  = "Redshift ${var.name}"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 5439
  to_port                      = 5439
}
