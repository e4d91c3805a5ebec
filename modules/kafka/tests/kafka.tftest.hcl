mock_provider "aws" {
  mock_resource "aws_msk_cluster" {
    defaults = {
      arn                        = "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1"
      bootstrap_brokers_sasl_iam = "b-1.test:9098,b-2.test:9098"
    }
  }
  mock_resource "aws_msk_serverless_cluster" {
    defaults = {
      arn                        = "arn:aws:kafka:us-east-1:111122223333:cluster/orrery-test/abcd1234-12ab-34cd-56ef-1234567890ab-s1"
      bootstrap_brokers_sasl_iam = "boot-1.test:9098"
    }
  }
  mock_resource "aws_msk_configuration" {
    defaults = {
      arn             = "arn:aws:kafka:us-east-1:111122223333:configuration/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1"
      latest_revision = 1
    }
  }
}

variables {
  name        = "orrery-test"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  vpc_id      = "vpc-0a1b2c3d"
  subnet_ids  = ["subnet-0a1b2c3d", "subnet-1a2b3c4d"]
  topics      = { events = { partitions = 2, timestamp_type = "LogAppendTime" }, state = { partitions = 1, cleanup_policy = "compact", replication = 1 } }
  clients = {
    source = { writes = ["events"] }
    mover  = { reads = ["events"], writes = ["state"], groups = ["movers"], transactional_ids = ["mover-0"] }
  }
}

run "applies" {
  command = apply

  assert {
    condition     = output.bootstrap_servers == "b-1.test:9098,b-2.test:9098" && output.authentication == "iam"
    error_message = "clients connect with IAM, over TLS"
  }

  assert {
    condition     = jsondecode(output.topics).events.replication == 2 && jsondecode(output.topics).state.replication == 1
    error_message = "a topic has no more copies than there are brokers"
  }

  assert {
    condition     = jsondecode(output.topics).events.settings["min.insync.replicas"] == "1"
    error_message = "how many copies have a write before it counts is said"
  }

  assert {
    condition     = [for topic in ["events", "state"] : jsondecode(output.topics)[topic].settings["message.timestamp.type"]] == ["LogAppendTime", "CreateTime"]
    error_message = "whose clock counts is said for each topic: the producer's, unless the broker's is asked for"
  }

  assert {
    condition     = keys(output.grants.source) == ["connect", "write_topics"] && output.grants.source.write_topics.resources == ["arn:aws:kafka:us-east-1:111122223333:topic/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1/events"]
    error_message = "who only writes may only write, and only to its topic"
  }

  assert {
    condition     = output.grants.mover.use_groups.resources == ["arn:aws:kafka:us-east-1:111122223333:group/orrery-test/1234abcd-12ab-34cd-56ef-1234567890ab-1/movers"]
    error_message = "a group is named in full"
  }

  assert {
    condition     = !strcontains(join("", concat(values(output.policies), [output.admin_policy])), "*") && !strcontains(output.admin_policy, "ReadData") && !strcontains(output.admin_policy, "Delete")
    error_message = "no wildcards; the job that makes topics neither reads nor deletes"
  }

  assert {
    condition     = aws_msk_cluster.this[0].encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this[0].client_authentication[0].unauthenticated == false
    error_message = "nobody without TLS and a login"
  }
}

run "applies_serverless" {
  command = apply

  variables {
    serverless = true
  }

  assert {
    condition     = output.bootstrap_servers == "boot-1.test:9098" && length(aws_msk_cluster.this) == 0 && length(aws_cloudwatch_metric_alarm.disk) == 0
    error_message = "a serverless cluster has no brokers of its own"
  }

  assert {
    condition     = keys(jsondecode(output.topics).events.settings) == ["cleanup.policy", "max.message.bytes", "message.timestamp.type", "retention.ms"]
    error_message = "a serverless cluster takes no other settings of a topic"
  }
}

run "refuses_no_brokers" {
  command         = plan
  expect_failures = [var.brokers_per_subnet]

  variables {
    brokers_per_subnet = 0
  }
}

run "refuses_a_client_of_an_unknown_topic" {
  command         = plan
  expect_failures = [var.clients]

  variables {
    clients = { one = { reads = ["other"] } }
  }
}

run "refuses_a_client_that_does_nothing" {
  command         = plan
  expect_failures = [var.clients]

  variables {
    clients = { one = { groups = ["g"] } }
  }
}

run "refuses_a_pattern_for_groups" {
  command         = plan
  expect_failures = [var.clients]

  variables {
    clients = { one = { reads = ["events"], groups = ["*"] } }
  }
}

run "refuses_an_alarm_about_a_full_disk_only" {
  command         = plan
  expect_failures = [var.disk_used_percent]

  variables {
    disk_used_percent = 100
  }
}

run "refuses_a_database_instance_type" {
  command         = plan
  expect_failures = [var.instance_type]

  variables {
    instance_type = "db.m7g.large"
  }
}

run "refuses_a_version_of_the_past" {
  command         = plan
  expect_failures = [var.kafka_version]

  variables {
    kafka_version = "2.8.1"
  }
}

run "refuses_an_alarm_about_an_unknown_topic" {
  command         = plan
  expect_failures = [var.lag_alarms]

  variables {
    lag_alarms = { one = { group = "g", topic = "other", messages = 1 } }
  }
}

run "refuses_an_alarm_about_no_lag" {
  command         = plan
  expect_failures = [var.lag_alarms]

  variables {
    lag_alarms = { one = { group = "g", topic = "events", messages = 0 } }
  }
}

run "refuses_a_retention_that_is_none" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 10
  }
}

run "refuses_a_level_that_is_none" {
  command         = plan
  expect_failures = [var.monitoring]

  variables {
    monitoring = "ALL"
  }
}

run "refuses_a_name_in_upper_case" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_no_disk" {
  command         = plan
  expect_failures = [var.storage_gb]

  variables {
    storage_gb = 0
  }
}

run "refuses_a_single_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = ["subnet-0a1b2c3d"]
  }
}

run "refuses_a_topic_of_kafkas_own" {
  command         = plan
  expect_failures = [var.topics]

  variables {
    topics = { events = { partitions = 1 }, state = { partitions = 1 }, __offsets = { partitions = 1 } }
  }
}

run "refuses_a_topic_without_partitions" {
  command         = plan
  expect_failures = [var.topics]

  variables {
    topics = { events = { partitions = 0 }, state = { partitions = 1 } }
  }
}

run "refuses_a_policy_that_is_none" {
  command         = plan
  expect_failures = [var.topics]

  variables {
    topics = { events = { partitions = 1, cleanup_policy = "burn" }, state = { partitions = 1 } }
  }
}

run "refuses_a_time_that_nobody_says" {
  command         = plan
  expect_failures = [var.topics]

  variables {
    topics = { events = { partitions = 1, timestamp_type = "Sometimes" }, state = { partitions = 1 } }
  }
}

run "refuses_a_retention_of_no_time" {
  command         = plan
  expect_failures = [var.topics]

  variables {
    topics = { events = { partitions = 1, retention_ms = 0 }, state = { partitions = 1 } }
  }
}
