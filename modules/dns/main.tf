locals {
  endpoints = merge([
    for record, spec in var.records : {
      for region, endpoint in spec.endpoints : "${record}/${region}" => merge(endpoint, {
        name = record, primary = spec.primary, region = region, routing = spec.routing, ttl_s = spec.ttl_s
      })
    }
  ]...)
}

resource "aws_route53_zone" "this" {
  # checkov:skip=CKV2_AWS_38:DNSSEC takes effect by a DS record at the parent, outside of this account; signing without it proves nothing, and a wrong order takes the zone off the net
  # checkov:skip=CKV2_AWS_39:Query logs exist for us-east-1 only and hold callers' addresses: a stack switches them on with `query_log`
  name          = var.zone_name
  comment       = var.comment
  force_destroy = var.force_destroy
}

# One answer per region: a caller gets the healthy one that is nearest in time.
resource "aws_route53_record" "latency" {
  # checkov:skip=CKV2_AWS_23:The check wants a resource of this module behind every A record; the alias names the caller's own AWS resource
  for_each = { for key, endpoint in local.endpoints : key => endpoint if endpoint.routing == "latency" }

  zone_id         = aws_route53_zone.this.zone_id
  health_check_id = one([for key, check in aws_route53_health_check.endpoint : check.id if key == each.key])
  name            = each.value.name == "@" ? var.zone_name : "${each.value.name}.${var.zone_name}"
  records         = each.value.alias == null ? [each.value.target] : null
  set_identifier  = each.value.region
  ttl             = each.value.alias == null ? each.value.ttl_s : null
  type            = each.value.alias == null ? "CNAME" : "A"

  dynamic "alias" {
    for_each = each.value.alias[*]

    content {
      evaluate_target_health = true
      name                   = each.value.target
      zone_id                = alias.value.zone_id
    }
  }

  latency_routing_policy {
    region = each.value.region
  }
}

# The primary for everybody while it is healthy, else the secondary.
resource "aws_route53_record" "failover" {
  # checkov:skip=CKV2_AWS_23:The check wants a resource of this module behind every A record; the alias names the caller's own AWS resource
  for_each = { for key, endpoint in local.endpoints : key => endpoint if endpoint.routing == "failover" }

  zone_id         = aws_route53_zone.this.zone_id
  health_check_id = one([for key, check in aws_route53_health_check.endpoint : check.id if key == each.key])
  name            = each.value.name == "@" ? var.zone_name : "${each.value.name}.${var.zone_name}"
  records         = each.value.alias == null ? [each.value.target] : null
  set_identifier  = each.value.region
  ttl             = each.value.alias == null ? each.value.ttl_s : null
  type            = each.value.alias == null ? "CNAME" : "A"

  dynamic "alias" {
    for_each = each.value.alias[*]

    content {
      evaluate_target_health = true
      name                   = each.value.target
      zone_id                = alias.value.zone_id
    }
  }

  failover_routing_policy {
    type = each.value.region == each.value.primary ? "PRIMARY" : "SECONDARY"
  }
}

resource "aws_route53_health_check" "endpoint" {
  for_each = { for key, endpoint in local.endpoints : key => endpoint.health_check if endpoint.health_check != null }

  type              = "HTTPS"
  failure_threshold = each.value.failure_threshold
  fqdn              = each.value.host
  measure_latency   = true
  port              = each.value.port
  request_interval  = each.value.interval_s
  resource_path     = each.value.path

  tags = {
    Name = "${replace(each.key, "/", ".${var.zone_name} ")}"
  }
}
