output "cidr" {
  description = "Address range of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "endpoint_ids" {
  description = "IDs of the endpoints, by service."
  value = merge(
    { for service, endpoint in aws_vpc_endpoint.gateway : service => endpoint.id },
    { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id },
  )
}

output "endpoint_security_group_id" {
  description = "Security group of the interface endpoints."
  value       = aws_security_group.endpoints.id
}

output "route_table_id" {
  description = "Route table of the private subnets."
  value       = aws_route_table.private.id
}

output "security_group_ids" {
  description = "The security group for workloads, as the list that functions and tasks take: it reaches the endpoints and what other modules open to it."
  value       = [aws_security_group.workloads.id]
}

output "subnet_ids" {
  description = "Private subnets, in the order of `availability_zones`."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}
