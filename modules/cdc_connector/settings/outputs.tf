output "config" {
  description = "The connector's settings, without logins."
  value = merge(
    local.every,
    { for key, value in local.of_engine.mysql : key => value if var.engine == "mysql" },
    { for key, value in local.of_engine.postgres : key => value if var.engine == "postgres" },
    { for key, value in local.optional : key => value if value != null },
    var.config,
  )
}
