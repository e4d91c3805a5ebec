resource "azurerm_monitor_diagnostic_setting" "this" {
  name                           = "runs"
  target_resource_id             = azurerm_data_factory.this.id
  log_analytics_workspace_id     = var.log_analytics_workspace_id
  log_analytics_destination_type = "Dedicated"

  dynamic "enabled_log" {
    for_each = ["ActivityRuns", "PipelineRuns", "TriggerRuns"]

    content {
      category = enabled_log.value
    }
  }
}

resource "azurerm_monitor_metric_alert" "failed" {
  name                = "${var.name}-${var.pipeline}-failed"
  resource_group_name = var.resource_group
  description         = "The pipeline ${var.pipeline} failed."
  scopes              = [azurerm_data_factory.this.id]
  frequency           = "PT5M"
  severity            = 1
  tags                = var.tags
  window_size         = "PT15M"

  criteria {
    metric_namespace = "Microsoft.DataFactory/factories"
    metric_name      = "PipelineFailedRuns"
    aggregation      = "Total"
    operator         = "GreaterThan"
    threshold        = 0

    dimension {
      name     = "Name"
      operator = "Include"
      values   = [azurerm_data_factory_pipeline.this.name]
    }
  }

  dynamic "action" {
    for_each = var.alert_action_group_id[*]

    content {
      action_group_id = action.value
    }
  }
}
