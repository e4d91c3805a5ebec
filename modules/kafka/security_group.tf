resource "aws_security_group" "this" {
  name        = "${var.name}-kafka"
  description = "Kafka of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-kafka" }
}

# Both ends of the path are opened here, so that a client's group needs to know nothing about Kafka.
resource "aws_vpc_security_group_ingress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = aws_security_group.this.id
  description                  = "Kafka with IAM, from a client"
  referenced_security_group_id = var.allowed_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  count = length(var.allowed_security_group_ids)

  security_group_id            = var.allowed_security_group_ids[count.index]
  description                  = "Kafka ${var.name}"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}
