resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  description                  = var.description
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = false

  # What lets everybody in says why, where reviewers and the policies look for it.
  tags = var.public_because == null ? null : { "public-because" = var.public_because }

  dynamic "cors_configuration" {
    for_each = length(var.cors_origins) > 0 ? [1] : []

    content {
      allow_headers = ["authorization", "content-type"]
      allow_methods = distinct([for route in keys(var.routes) : split(" ", route)[0] if route != "$default"])
      allow_origins = var.cors_origins
      max_age       = 600
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.routes

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = each.value.function_arn
  integration_method     = "POST"
  connection_type        = "INTERNET"
  payload_format_version = "2.0"
  timeout_milliseconds   = var.timeout_s * 1000
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:Routes want signed requests unless a caller opens one by name (public) or says NONE for all: some must be open, as health checks are.
  for_each = var.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = each.value.public ? "NONE" : var.authorization
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      at                 = "$context.requestTime"
      request_id         = "$context.requestId"
      source_ip          = "$context.identity.sourceIp"
      method             = "$context.httpMethod"
      route              = "$context.routeKey"
      path               = "$context.path"
      status             = "$context.status"
      response_bytes     = "$context.responseLength"
      latency_ms         = "$context.responseLatency"
      function_ms        = "$context.integrationLatency"
      error              = "$context.error.message"
      integration_error  = "$context.integrationErrorMessage"
      authorized_by_role = "$context.identity.userArn"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_burst_limit   = var.throttle.burst
    throttling_rate_limit    = var.throttle.rate_per_s
  }
}

# A permission per route: the API can call a function only for the routes that lead to it. Path parameters become `*`.
resource "aws_lambda_permission" "this" {
  for_each = var.routes

  statement_id  = "api-${substr(sha256("${var.name} ${each.key}"), 0, 16)}"
  action        = "lambda:InvokeFunction"
  function_name = each.value.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/${each.key == "$default" ? "$default" : replace(replace(replace(each.key, "/\\{[^}]+\\}/", "*"), "ANY ", "*"), " ", "")}"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}
