mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:orrery-test" }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5" }
  }
}

variables {
  name        = "orrery-test-api"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  routes      = { "GET /users/{id}" = { function_arn = "arn:aws:lambda:us-east-1:111122223333:function:orrery-test", function_name = "orrery-test" } }
}

run "applies" {
  command = apply
}

run "refuses_an_unknown_authorization" {
  command         = plan
  expect_failures = [var.authorization]

  variables {
    authorization = "JWT"
  }
}

run "refuses_any_web_origin" {
  command         = plan
  expect_failures = [var.cors_origins]

  variables {
    cors_origins = ["*"]
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_name_with_a_space" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "my api"
  }
}

run "refuses_an_open_route_without_a_reason" {
  command         = plan
  expect_failures = [var.public_because]

  variables {
    routes = { "GET /status" = { function_arn = "a", function_name = "b", public = true } }
  }
}

run "refuses_to_open_all_routes_without_a_reason" {
  command         = plan
  expect_failures = [var.public_because]

  variables {
    authorization = "NONE"
  }
}

run "refuses_a_reason_that_no_tag_takes" {
  command         = plan
  expect_failures = [var.public_because]

  variables {
    public_because = "why not; it is only a test"
  }
}

run "takes_an_open_route_with_a_reason" {
  command = plan

  variables {
    public_because = "health checks are not able to sign"
    routes         = { "GET /status" = { function_arn = "a", function_name = "b", public = true } }
  }

  assert {
    condition     = aws_apigatewayv2_api.this.tags["public-because"] == "health checks are not able to sign"
    error_message = "The API doesn't say why it is open."
  }
}

run "refuses_no_routes" {
  command         = plan
  expect_failures = [var.routes]

  variables {
    routes = {}
  }
}

run "refuses_a_route_without_a_method" {
  command         = plan
  expect_failures = [var.routes]

  variables {
    routes = { "/users" = { function_arn = "a", function_name = "b" } }
  }
}

run "refuses_a_throttle_that_refuses_all" {
  command         = plan
  expect_failures = [var.throttle]

  variables {
    throttle = { burst = 0 }
  }
}

run "refuses_a_timeout_over_30_seconds" {
  command         = plan
  expect_failures = [var.timeout_s]

  variables {
    timeout_s = 31
  }
}
