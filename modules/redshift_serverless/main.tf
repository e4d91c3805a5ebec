locals {
  logs = toset(["connectionlog", "useractivitylog", "userlog"])

  # All that AWS gives back is said here, its defaults too: what is left out comes back as a change in each plan.
  parameters = {
    auto_mv                          = "true"
    datestyle                        = "ISO, MDY"
    enable_case_sensitive_identifier = "false"
    enable_user_activity_logging     = "true"
    max_query_execution_time         = tostring(var.max_query_seconds)
    query_group                      = "default"
    require_ssl                      = "true"
    search_path                      = "$user, public"
    use_fips_ssl                     = "false"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.logs

  name              = "/aws/redshift/${var.name}/${each.key}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

# The data: it stays when the workgroup is replaced.
resource "aws_redshiftserverless_namespace" "this" {
  namespace_name = var.name
  db_name        = var.database
  kms_key_id     = var.kms_key_arn
  log_exports    = local.logs

  # Redshift makes the password, keeps it in Secrets Manager and rotates it: Terraform never sees it.
  admin_username                   = var.username
  manage_admin_password            = true
  admin_password_secret_kms_key_id = var.kms_key_arn

  default_iam_role_arn = aws_iam_role.copy.arn
  iam_roles            = [aws_iam_role.copy.arn]

  # Redshift would make the log groups itself, without encryption and for ever.
  depends_on = [aws_cloudwatch_log_group.this]
}

# What computes: charged by the second while queries run.
resource "aws_redshiftserverless_workgroup" "this" {
  workgroup_name = var.name
  namespace_name = aws_redshiftserverless_namespace.this.namespace_name
  base_capacity  = var.base_capacity_rpu
  max_capacity   = var.max_capacity_rpu
  port           = 5439

  enhanced_vpc_routing = true
  publicly_accessible  = false
  security_group_ids   = concat([aws_security_group.this.id], var.reach_security_group_ids)
  subnet_ids           = var.subnet_ids

  dynamic "config_parameter" {
    for_each = local.parameters

    content {
      parameter_key   = config_parameter.key
      parameter_value = config_parameter.value
    }
  }
}

resource "aws_redshiftserverless_usage_limit" "this" {
  for_each = var.usage_limits

  resource_arn  = aws_redshiftserverless_workgroup.this.arn
  usage_type    = "serverless-compute"
  amount        = each.value.rpu_hours
  period        = each.value.period
  breach_action = each.value.action
}

resource "aws_redshiftserverless_snapshot" "this" {
  for_each = var.snapshots

  namespace_name   = aws_redshiftserverless_workgroup.this.namespace_name
  snapshot_name    = "${var.name}-${each.key}"
  retention_period = each.value
}
