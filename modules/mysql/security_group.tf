resource "aws_security_group" "this" {
  name        = "${var.name}-mysql"
  description = "MySQL of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-mysql" }
}

# Both ends of the path are opened here, so that a client's group needs to know nothing about databases.
resource "aws_vpc_security_group_ingress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = aws_security_group.this.id
  description                  = "MySQL, from a client"
  referenced_security_group_id = var.allowed_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = 3306
  to_port                      = 3306
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = var.allowed_security_group_ids[count.index]
  description                  = "MySQL ${var.name}"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 3306
  to_port                      = 3306
}
