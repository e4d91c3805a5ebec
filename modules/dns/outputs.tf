output "health_check_ids" {
  description = "Ids of the health checks by record and region, such as `api/eu-west-1`: the HealthCheckId dimension of their metrics."
  value       = { for key, check in aws_route53_health_check.endpoint : key => check.id }
}

output "name_servers" {
  description = "Name servers that the parent domain must delegate the zone to."
  value       = aws_route53_zone.this.name_servers
}

output "record_names" {
  description = "Full names of the records by their name in `records`."
  value       = { for name in keys(var.records) : name => name == "@" ? var.zone_name : "${name}.${var.zone_name}" }
}

output "zone_id" {
  description = "Id of the hosted zone."
  value       = aws_route53_zone.this.zone_id
}
