mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  zone_name  = "identity.example.com"
  comment    = "For the test."
  account_id = "111122223333"
}

run "a_host_is_a_cname_that_follows_its_health_check" {
  command = plan

  variables {
    records = {
      api = {
        endpoints = {
          us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } }
          eu-west-1 = { target = "eu.example.net", health_check = { host = "eu.example.net", path = "/health" } }
        }
      }
    }
  }

  assert {
    condition     = alltrue([for record in aws_route53_record.latency : record.type == "CNAME" && record.ttl == 60])
    error_message = "A plain host must be a CNAME with a short life."
  }

  assert {
    condition     = length(aws_route53_health_check.endpoint) == 2
    error_message = "Each region's endpoint must have its own health check."
  }
}

run "an_aws_resource_is_an_alias" {
  command = plan

  variables {
    records = {
      "@" = { endpoints = { us-east-1 = { target = "d-1.execute-api.us-east-1.amazonaws.com", alias = { zone_id = "Z1UJRXOUMOOFQ8" } } } }
    }
  }

  assert {
    condition     = aws_route53_record.latency["@/us-east-1"].type == "A" && aws_route53_record.latency["@/us-east-1"].alias[0].evaluate_target_health
    error_message = "An alias must be an A record that looks at its target's health."
  }
}

run "failover_has_one_primary_and_no_latency_record" {
  command = plan

  variables {
    records = {
      api = {
        routing = "failover"
        primary = "us-east-1"
        endpoints = {
          us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } }
          eu-west-1 = { target = "eu.example.net", health_check = { host = "eu.example.net", path = "/health" } }
        }
      }
    }
  }

  assert {
    condition = (
      aws_route53_record.failover["api/us-east-1"].failover_routing_policy[0].type == "PRIMARY" &&
      aws_route53_record.failover["api/eu-west-1"].failover_routing_policy[0].type == "SECONDARY"
    )
    error_message = "The primary is the region that is named, the other one is the secondary."
  }

  assert {
    condition     = length(aws_route53_record.latency) == 0 && length(aws_route53_health_check.endpoint) == 2
    error_message = "A name has one kind of records, and each endpoint its health check."
  }
}

run "a_primary_may_stand_alone" {
  command = plan

  variables {
    records = { api = { routing = "failover", primary = "us-east-1", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } } } } }
  }

  assert {
    condition     = length(aws_route53_record.failover) == 1
    error_message = "A standby that isn't there yet has no record."
  }
}

run "account_id_is_twelve_digits" {
  command         = plan
  expect_failures = [var.account_id]

  variables {
    account_id = "11112222333"
  }
}

run "comment_is_needed" {
  command         = plan
  expect_failures = [var.comment]

  variables {
    comment = ""
  }
}

run "endpoints_are_keyed_by_region" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { endpoints = { europe = { target = "eu.example.net" } } } }
  }
}

run "a_health_check_has_a_path" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { endpoints = { eu-west-1 = { target = "eu.example.net", health_check = { host = "eu.example.net", path = "health" } } } } }
  }
}

run "a_health_check_has_an_interval_that_exists" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { endpoints = { eu-west-1 = { target = "eu.example.net", health_check = { host = "eu.example.net", path = "/", interval_s = 60 } } } } }
  }
}

run "the_zone_itself_is_no_cname" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { "@" = { endpoints = { eu-west-1 = { target = "eu.example.net" } } } }
  }
}

run "query_logs_are_of_us_east_1" {
  command         = plan
  expect_failures = [aws_cloudwatch_log_group.queries]

  override_data {
    target = data.aws_region.current
    values = { name = "eu-west-1" }
  }

  variables {
    query_log = { kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

run "zone_name_has_no_final_dot" {
  command         = plan
  expect_failures = [var.zone_name]

  variables {
    zone_name = "identity.example.com."
  }
}

run "routing_is_latency_or_failover" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { routing = "weighted", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } } } } }
  }
}

run "failover_names_its_primary" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { routing = "failover", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } } } } }
  }
}

run "a_primary_is_one_of_the_endpoints" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { routing = "failover", primary = "eu-west-1", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } } } } }
  }
}

run "latency_knows_no_primary" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { primary = "us-east-1", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } } } } }
  }
}

run "failover_is_between_two" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { routing = "failover", primary = "us-east-1", endpoints = { us-east-1 = { target = "us.example.net", health_check = { host = "us.example.net", path = "/health" } }, eu-west-1 = { target = "eu.example.net", health_check = { host = "eu.example.net", path = "/health" } }, eu-central-1 = { target = "de.example.net" } } } }
  }
}

run "a_primary_has_a_health_check" {
  command         = plan
  expect_failures = [var.records]

  variables {
    records = { api = { routing = "failover", primary = "us-east-1", endpoints = { us-east-1 = { target = "us.example.net" } } } }
  }
}
