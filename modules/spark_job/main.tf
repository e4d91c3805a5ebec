locals {
  account = split(":", var.kms_key_arn)[4]
  region  = split(":", var.kms_key_arn)[3]

  # The names stay when the content changes: EMR starts a run again with its first request, and must find the code then.
  folder  = "s3://${var.bucket.name}/spark/${var.name}"
  package = "package.zip"
  entry   = file("${path.module}/entry.py")

  scheduled = { for name, job in var.jobs : name => job if job.schedule != null }

  # Variables reach the driver and the executors by names of Spark's and EMR's own.
  variables = { for name, job in var.jobs : name => merge(
    { PYSPARK_PYTHON = var.python, PYSPARK_DRIVER_PYTHON = var.python, AWS_REGION = local.region },
    var.environment,
    job.environment,
  ) }
  properties = { for name, job in var.jobs : name => merge(
    { "spark.submit.pyFiles" = "${local.folder}/${local.package}" },
    length(var.jars) > 0 ? { "spark.jars" = join(",", var.jars) } : {}, # EMR refuses a setting without a value
    { for key, value in local.variables[name] : "spark.emr-serverless.driverEnv.${key}" => value },
    { for key, value in local.variables[name] : "spark.executorEnv.${key}" => value },
    job.settings,
  ) }
}

resource "aws_emrserverless_application" "this" {
  name          = var.name
  release_label = var.release
  type          = "spark"
  architecture  = var.architecture

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = var.idle_minutes
  }

  # What a job can cost at most, whatever it asks for.
  maximum_capacity {
    cpu    = "${var.maximum.vcpus} vCPU"
    memory = "${var.maximum.memory_gb} GB"
    disk   = "${var.maximum.disk_gb} GB"
  }

  network_configuration {
    security_group_ids = var.security_group_ids
    subnet_ids         = var.subnet_ids
  }

  dynamic "image_configuration" {
    for_each = compact([var.image])

    content {
      image_uri = image_configuration.value
    }
  }

  # Nobody works in it by hand.
  interactive_configuration {
    livy_endpoint_enabled = false
    studio_enabled        = false
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.jobs

  name              = "/orrery/spark/${var.name}/${each.key}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_s3_object" "package" {
  #checkov:skip=ORR_11:An object's tags are paid for, limited to ten, and say no more than its bucket's.
  bucket                 = var.bucket.name
  key                    = "spark/${var.name}/${local.package}"
  source                 = var.package_path
  source_hash            = var.package_sha256
  content_type           = "application/zip"
  server_side_encryption = "aws:kms"
  kms_key_id             = coalesce(var.bucket.kms_key_arn, var.kms_key_arn)

  # No tags; the reason is above.
  override_provider {
    default_tags {
      tags = {}
    }
  }
}

# EMR wants a file to begin with: this one starts a module of the package.
resource "aws_s3_object" "entry" {
  #checkov:skip=ORR_11:An object's tags are paid for, limited to ten, and say no more than its bucket's.
  bucket                 = var.bucket.name
  key                    = "spark/${var.name}/entry.py"
  content                = local.entry
  content_type           = "text/x-python"
  server_side_encryption = "aws:kms"
  kms_key_id             = coalesce(var.bucket.kms_key_arn, var.kms_key_arn)

  # No tags; the reason is above.
  override_provider {
    default_tags {
      tags = {}
    }
  }
}
