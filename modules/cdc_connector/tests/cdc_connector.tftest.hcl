mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the role's arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test-connect" }
  }
  mock_resource "aws_mskconnect_custom_plugin" {
    defaults = { arn = "arn:aws:kafkaconnect:us-east-1:111122223333:custom-plugin/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1", latest_revision = 1 }
  }
  mock_resource "aws_mskconnect_worker_configuration" {
    defaults = { arn = "arn:aws:kafkaconnect:us-east-1:111122223333:worker-configuration/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1", latest_revision = 1 }
  }
  mock_resource "aws_mskconnect_connector" {
    defaults = { arn = "arn:aws:kafkaconnect:us-east-1:111122223333:connector/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1" }
  }
}

variables {
  name               = "orrery-test"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  engine             = "mysql"
  host               = "shop.example"
  port               = 3306
  database           = "shop"
  secret_arn         = "arn:aws:secretsmanager:us-east-1:111122223333:secret:orrery-test-capture-a1B2c3"
  bootstrap_servers  = "b-1.test:9098"
  cluster_arn        = "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1"
  subnet_ids         = ["subnet-0a1b2c3d"]
  security_group_ids = ["sg-0a1b2c3d"]
  plugin = {
    bucket_arn     = "arn:aws:s3:::orrery-test"
    key            = "debezium.zip"
    object_version = "abc"
    sha256         = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }
}

run "applies" {
  command = apply

  assert {
    condition     = jsondecode(output.connector).config["database.password"] == "$${secretsmanager:orrery-test-capture:password}"
    error_message = "the password is a reference, which the worker follows"
  }

  assert {
    condition     = jsondecode(output.connector).config["schema.history.internal.producer.sasl.mechanism"] == "AWS_MSK_IAM" && jsondecode(output.connector).config["schema.history.internal.consumer.security.protocol"] == "SASL_SSL"
    error_message = "the connector's own clients log in as the worker does"
  }

  assert {
    condition     = jsondecode(output.connector).config["tasks.max"] == "1" && aws_mskconnect_connector.this[0].capacity[0].provisioned_capacity[0].worker_count == 1
    error_message = "a log has one reader"
  }

  assert {
    condition     = !can(jsondecode(output.connector).config["table.include.list"]) && !can(jsondecode(output.connector).config["signal.data.collection"])
    error_message = "without a list all tables are followed, and nothing asks for snapshots"
  }

  assert {
    condition     = aws_mskconnect_custom_plugin.this.name == "orrery-test-${substr(sha256("${var.plugin.sha256} abc"), 0, 12)}" && strcontains(aws_mskconnect_custom_plugin.this.description, var.plugin.sha256)
    error_message = "another content, or the same one uploaded again, is another plugin beside the one in use"
  }

  assert {
    condition     = toset([for each in data.aws_iam_policy_document.this.statement : each.sid]) == toset(["Cluster", "Topics", "Worker", "Groups", "Secret", "SecretKey"]) && length([for each in data.aws_iam_policy_document.this.statement : each if contains(each.resources, "*")]) == 0
    error_message = "the role has these rights and no others, on nothing but what is named"
  }

  assert {
    condition = toset(one([for each in data.aws_iam_policy_document.this.statement : each.resources if each.sid == "Groups"])) == toset([
      "arn:aws:kafka:us-east-1:111122223333:group/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1/__amazon_msk_connect_*",
      "arn:aws:kafka:us-east-1:111122223333:group/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1/orrery-test-schemahistory",
    ])
    error_message = "the worker's group is MSK Connect's own, that of the schema's history the connector's"
  }

  assert {
    condition     = one([for each in data.aws_iam_policy_document.this.statement : each.resources if each.sid == "Secret"]) == toset([var.secret_arn]) && one(one([for each in data.aws_iam_policy_document.this.statement : each.condition if each.sid == "SecretKey"])).variable == "kms:ViaService"
    error_message = "it reads one secret, and uses the key for that alone"
  }

  assert {
    condition     = toset([for each in one(data.aws_iam_policy_document.assume.statement).condition : each.variable]) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "MSK Connect takes the role for connectors of this account and name alone"
  }

  assert {
    condition     = strcontains(aws_mskconnect_worker_configuration.this.properties_file_content, "\noffset.storage.topic=orrery-test.connect-offsets\n")
    error_message = "a connector that is replaced goes on where the one before it stopped"
  }

  assert {
    condition     = contains(one([for each in data.aws_iam_policy_document.this.statement : each.resources if each.sid == "Topics"]), "arn:aws:kafka:us-east-1:111122223333:topic/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1/orrery-test.*")
    error_message = "the role may keep the position in that topic, which begins with the prefix"
  }
}

run "applies_to_postgresql" {
  command = apply

  variables {
    engine       = "postgres"
    topic_prefix = "orrery-test-books"
    tables       = ["public.orders"]
    config       = { "decimal.handling.mode" = "string" }
  }

  assert {
    condition     = jsondecode(output.connector).config["slot.name"] == "orrery_test_books" && jsondecode(output.connector).config["table.include.list"] == "public.orders"
    error_message = "slot and publication are named as PostgreSQL takes it"
  }

  assert {
    condition     = jsondecode(output.connector).config["decimal.handling.mode"] == "string" && !can(jsondecode(output.connector).config["schema.history.internal.kafka.topic"])
    error_message = "a user's setting counts; PostgreSQL needs no history of the schema"
  }

  assert {
    condition     = jsondecode(output.connector).config["lsn.flush.mode"] == "connector_and_driver"
    error_message = "the slot of a quiet database moves on, so that others' log does not fill its disk"
  }
}

run "is_not_there_until_it_is_enabled" {
  command = apply

  variables {
    enabled = false
  }

  assert {
    condition     = output.connector_arn == null && length(aws_cloudwatch_metric_alarm.silent) == 0 && output.role_arn != null
    error_message = "what is around it is there, and no alarm rings"
  }
}

run "refuses_a_cluster_that_is_none" {
  command         = plan
  expect_failures = [var.cluster_arn]

  variables {
    cluster_arn = "arn:aws:rds:us-east-1:111122223333:cluster:orrery-test"
  }
}

run "refuses_a_password_among_the_settings" {
  command         = plan
  expect_failures = [var.config]

  variables {
    config = { "database.password" = "secret" }
  }
}

run "refuses_a_second_task" {
  command         = plan
  expect_failures = [var.config]

  variables {
    config = { "tasks.max" = "2" }
  }
}

run "refuses_a_pattern_for_the_database" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "shop.*"
  }
}

run "refuses_an_engine_that_is_none" {
  command         = plan
  expect_failures = [var.engine]

  variables {
    engine = "oracle"
  }
}

run "refuses_a_version_without_java_17" {
  command         = plan
  expect_failures = [var.kafkaconnect_version]

  variables {
    kafkaconnect_version = "2.7.1"
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_size_that_is_none" {
  command         = plan
  expect_failures = [var.mcu_count]

  variables {
    mcu_count = 3
  }
}

run "refuses_a_name_in_upper_case" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_no_partition" {
  command         = plan
  expect_failures = [var.partitions]

  variables {
    partitions = 0
  }
}

run "refuses_a_plugin_that_nobody_checked" {
  command         = plan
  expect_failures = [var.plugin]

  variables {
    plugin = {
      bucket_arn     = "arn:aws:s3:::orrery-test"
      key            = "debezium.zip"
      object_version = "abc"
      sha256         = "latest"
    }
  }
}

run "refuses_no_security_group" {
  command         = plan
  expect_failures = [var.security_group_ids]

  variables {
    security_group_ids = []
  }
}

run "refuses_a_server_id_beyond_mysqls" {
  command         = plan
  expect_failures = [var.server_id]

  variables {
    server_id = 4294967296
  }
}

run "refuses_silence_for_hours" {
  command         = plan
  expect_failures = [var.silent_minutes]

  variables {
    silent_minutes = 600
  }
}

run "refuses_no_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = []
  }
}

run "refuses_a_pattern_for_tables" {
  command         = plan
  expect_failures = [var.tables]

  variables {
    tables = ["shop.*"]
  }
}

run "refuses_a_prefix_with_a_dot" {
  command         = plan
  expect_failures = [var.topic_prefix]

  variables {
    topic_prefix = "orrery.test"
  }
}
