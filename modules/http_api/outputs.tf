output "api_id" {
  description = "ID of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "endpoint" {
  description = "URL of the API, handed out once its routes answer."
  value       = aws_apigatewayv2_api.this.api_endpoint
  depends_on  = [aws_apigatewayv2_route.this, aws_apigatewayv2_stage.this, aws_lambda_permission.this]
}

output "execution_arn" {
  description = "ARN prefix for policies that allow execute-api:Invoke."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "log_group_name" {
  description = "Name of the access log."
  value       = aws_cloudwatch_log_group.access.name
}
