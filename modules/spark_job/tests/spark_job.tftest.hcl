mock_provider "aws" {
  # A mocked policy document has no JSON of its own, which the roles' arguments are checked for.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/orrery-test" }
  }
  mock_resource "aws_emrserverless_application" {
    defaults = {
      id  = "00abcdefgh123456"
      arn = "arn:aws:emr-serverless:us-east-1:111122223333:/applications/00abcdefgh123456"
    }
  }
}

variables {
  name               = "orrery-test"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  bucket             = { name = "orrery-test-code" }
  dead_letter        = { queue_arn = "arn:aws:sqs:us-east-1:111122223333:orrery-test-missed" }
  package_path       = "jobs.zip"
  package_sha256     = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  security_group_ids = ["sg-0123456789abcdef0"]
  subnet_ids         = ["subnet-0123456789abcdef0"]
  environment        = { STAGE = "test" }
  jobs = {
    speed = {
      module    = "test.speed"
      mode      = "STREAMING"
      retries   = 5
      heartbeat = { pattern = "batch", minutes = 5 }
      grants    = { read = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::orrery-test/*"] } }
    }
    nightly = {
      module    = "test.nightly"
      arguments = ["--day", "yesterday"]
      heartbeat = { pattern = "finished", minutes = 1440 }
      schedule  = { expression = "cron(30 1 * * ? *)" }
      settings  = { "spark.executor.cores" = "2" }
      grants    = {}
    }
  }
}

run "applies" {
  command = apply

  assert {
    condition     = keys(aws_scheduler_schedule.this) == ["nightly"] && length(aws_iam_role.job) == 2
    error_message = "Only a batch job has a schedule; each job has a role of its own."
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["nightly"].target[0].input).JobDriver.SparkSubmit.EntryPointArguments == ["test.nightly", "--day", "yesterday"]
    error_message = "The schedule starts the job's module with its arguments."
  }

  assert {
    condition     = strcontains(aws_scheduler_schedule.this["nightly"].target[0].input, "\"<aws.scheduler.execution-id>\"")
    error_message = "The scheduler finds its keyword only as it is written."
  }

  assert {
    condition     = jsondecode(output.start_requests.speed).retryPolicy == { maxFailedAttemptsPerHour = 5 } && jsondecode(output.start_requests.speed).executionTimeoutMinutes == 0
    error_message = "A stream has no time limit, and is started again when it fails."
  }

  assert {
    condition     = jsondecode(output.start_requests.nightly).configurationOverrides.applicationConfiguration[0].properties["spark.executorEnv.STAGE"] == "test" && jsondecode(output.start_requests.nightly).configurationOverrides.applicationConfiguration[0].properties["spark.executor.cores"] == "2"
    error_message = "Environment and settings reach the job."
  }

  assert {
    condition     = !can(jsondecode(output.start_requests.speed).configurationOverrides.applicationConfiguration[0].properties["spark.jars"]) && alltrue([for value in values(jsondecode(output.start_requests.speed).configurationOverrides.applicationConfiguration[0].properties) : can(regex("\\S", value)) && length(value) <= 1024])
    error_message = "EMR refuses a setting without a value: without jars there is none of them."
  }

  assert {
    condition     = jsondecode(output.start_requests.speed).configurationOverrides.diskEncryptionConfiguration.encryptionKeyArn == var.kms_key_arn && jsondecode(output.start_requests.speed).configurationOverrides.monitoringConfiguration.managedPersistenceMonitoringConfiguration.enabled == false
    error_message = "Disks have the customer's key, and EMR keeps no logs of its own."
  }

  assert {
    condition     = aws_s3_object.package.key == "spark/orrery-test/package.zip" && aws_s3_object.package.source_hash == var.package_sha256 && aws_s3_object.entry.key == "spark/orrery-test/entry.py"
    error_message = "Code has one name for good, so that a run that is started again finds it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.silence["nightly"].period * aws_cloudwatch_metric_alarm.silence["nightly"].evaluation_periods == 26 * 3600 && aws_cloudwatch_metric_alarm.silence["speed"].period * aws_cloudwatch_metric_alarm.silence["speed"].evaluation_periods == 5 * 60
    error_message = "A nightly job may be late; a stream may not."
  }

  assert {
    condition     = one(flatten([for each in data.aws_iam_policy_document.schedule[0].statement : [for condition in each.condition : condition.variable] if each.sid == "HandOverRoles"])) == "iam:PassedToService" && one([for each in data.aws_iam_policy_document.schedule[0].statement : each.resources if each.sid == "StartJob"]) == toset([aws_emrserverless_application.this.arn])
    error_message = "The schedules start jobs of this application, and hand roles to EMR alone."
  }

  assert {
    condition     = toset([for each in data.aws_iam_policy_document.job["speed"].statement : each.sid]) == toset(["ReadCode", "FindLog", "WriteLog", "UseKey", "GrantRead"]) && toset([for each in data.aws_iam_policy_document.job["nightly"].statement : each.sid]) == toset(["ReadCode", "FindLog", "WriteLog", "UseKey"])
    error_message = "A job may read its code, write its log, use the key, and do what was granted to it."
  }

  assert {
    condition     = one([for each in data.aws_iam_policy_document.job["speed"].statement : each.resources if each.sid == "WriteLog"]) == toset([aws_cloudwatch_log_group.this["speed"].arn, "${aws_cloudwatch_log_group.this["speed"].arn}:log-stream:*"]) && one([for each in data.aws_iam_policy_document.job["speed"].statement : each.resources if each.sid == "ReadCode"]) == toset(["arn:aws:s3:::orrery-test-code/spark/orrery-test/*"])
    error_message = "It writes to its own log alone, and reads no other code."
  }

  assert {
    condition     = toset([for each in one(data.aws_iam_policy_document.assume_job.statement).condition : each.variable]) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "EMR takes the role for applications of this account alone."
  }
}

run "tells_of_no_silence_that_is_wanted" {
  command = apply

  variables {
    enabled = false
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.silence["nightly"].actions_enabled == false && aws_cloudwatch_metric_alarm.silence["speed"].actions_enabled == true
    error_message = "Without schedules their jobs are silent, and nobody has to hear of it; streams run on."
  }
}

run "has_no_role_for_schedules_without_one" {
  command = apply

  variables {
    jobs = { speed = { module = "test.speed", mode = "STREAMING", heartbeat = { pattern = "batch", minutes = 5 }, grants = {} } }
  }

  assert {
    condition     = length(aws_iam_role.schedule) == 0
    error_message = "Nobody may start what has no schedule."
  }
}

run "refuses_a_schedule_of_a_stream" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { speed = { module = "test.speed", mode = "STREAMING", heartbeat = { pattern = "batch", minutes = 5 }, grants = {}, schedule = { expression = "rate(1 hour)" } } }
  }
}

run "refuses_no_jobs" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = {}
  }
}

run "refuses_a_path_for_a_module" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "src/one.py", heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_an_unknown_mode" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", mode = "ALWAYS", heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_a_cron_of_five_fields" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", heartbeat = { pattern = "x", minutes = 5 }, grants = {}, schedule = { expression = "cron(30 1 * * *)" } } }
  }
}

run "refuses_a_wildcard_action" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", heartbeat = { pattern = "x", minutes = 5 }, grants = { all = { actions = ["s3:*"], resources = ["arn:aws:s3:::orrery-test/*"] } } } }
  }
}

run "refuses_a_wildcard_resource" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", heartbeat = { pattern = "x", minutes = 5 }, grants = { all = { actions = ["s3:GetObject"], resources = ["*"] } } } }
  }
}

run "refuses_a_heartbeat_of_odd_minutes" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", heartbeat = { pattern = "x", minutes = 7 }, grants = {} } }
  }
}

run "refuses_a_stream_that_is_never_started_again" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", mode = "STREAMING", retries = 0, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_no_time" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", timeout_minutes = 0, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_a_jobs_lower_case_environment" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", environment = { stage = "x" }, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_a_jobs_blank_setting" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", settings = { "spark.jars" = "" }, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_a_secret_in_the_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { DB_PASSWORD = "correct-horse-9" }
  }
}

run "refuses_a_secret_in_a_jobs_environment" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", environment = { API_TOKEN = "x" }, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_a_blank_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { STAGE = " " }
  }
}

run "refuses_more_jars_than_a_setting_holds" {
  command         = plan
  expect_failures = [var.jars]

  variables {
    jars = [for number in range(20) : "s3://orrery-test/a-folder-with-a-name-that-is-as-long-as-it-can-be/jars/${number}.jar"]
  }
}

run "refuses_a_setting_that_is_not_sparks" {
  command         = plan
  expect_failures = [var.jobs]

  variables {
    jobs = { one = { module = "one", settings = { memory = "4g" }, heartbeat = { pattern = "x", minutes = 5 }, grants = {} } }
  }
}

run "refuses_lower_case_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { stage = "x" }
  }
}

run "refuses_an_image_by_tag" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/orrery-test:latest"
  }
}

run "refuses_jars_by_pattern" {
  command         = plan
  expect_failures = [var.jars]

  variables {
    jars = ["s3://orrery-test/jars/*.jar"]
  }
}

run "refuses_another_architecture" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "arm"
  }
}

run "refuses_to_idle_for_a_day" {
  command         = plan
  expect_failures = [var.idle_minutes]

  variables {
    idle_minutes = 1440
  }
}

run "refuses_an_unknown_retention" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 31
  }
}

run "refuses_no_room_for_a_worker" {
  command         = plan
  expect_failures = [var.maximum]

  variables {
    maximum = { vcpus = 1 }
  }
}

run "refuses_a_name_in_capitals" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Orrery"
  }
}

run "refuses_a_package_that_is_no_zip" {
  command         = plan
  expect_failures = [var.package_path]

  variables {
    package_path = "jobs.tar.gz"
  }
}

run "refuses_a_digest_in_hex" {
  command         = plan
  expect_failures = [var.package_sha256]

  variables {
    package_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }
}

run "refuses_a_python_without_a_path" {
  command         = plan
  expect_failures = [var.python]

  variables {
    python = "python3"
  }
}

run "refuses_a_release_with_other_metrics" {
  command         = plan
  expect_failures = [var.release]

  variables {
    release = "emr-7.5.0"
  }
}

run "refuses_no_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = []
  }
}

run "refuses_no_security_group" {
  command         = plan
  expect_failures = [var.security_group_ids]

  variables {
    security_group_ids = []
  }
}
