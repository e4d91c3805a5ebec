mock_provider "aws" {}

variables {
  name       = "orrery-test"
  topic_arns = ["arn:aws:sns:us-east-1:111122223333:alerts"]
  alarms = {
    errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0 }
    slow   = { description = "Slow.", namespace = "AWS/Lambda", metric = "Duration", threshold = 1, statistic = "p99" }
  }
}

run "alarms_tell_the_topics_when_they_fire_and_clear" {
  command = plan

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      tolist(alarm.alarm_actions) == tolist(var.topic_arns) && tolist(alarm.ok_actions) == tolist(var.topic_arns)
    ])
    error_message = "Every alarm must tell the topics."
  }
}

run "a_percentile_is_an_extended_statistic" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slow"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.this["errors"].statistic == "Sum"
    error_message = "Percentiles and plain statistics are two arguments."
  }
}

run "comparison_is_known" {
  command         = plan
  expect_failures = [var.alarms]

  variables {
    alarms = { errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0, comparison = ">" } }
  }
}

run "more_datapoints_than_periods" {
  command         = plan
  expect_failures = [var.alarms]

  variables {
    alarms = { errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0, datapoints_to_alarm = 2 } }
  }
}

run "period_is_whole_minutes" {
  command         = plan
  expect_failures = [var.alarms]

  variables {
    alarms = { errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0, period_s = 90 } }
  }
}

run "statistic_is_known" {
  command         = plan
  expect_failures = [var.alarms]

  variables {
    alarms = { errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0, statistic = "Mean" } }
  }
}

run "missing_data_is_treated_in_a_known_way" {
  command         = plan
  expect_failures = [var.alarms]

  variables {
    alarms = { errors = { description = "Errors.", namespace = "AWS/Lambda", metric = "Errors", threshold = 0, treat_missing = "ok" } }
  }
}

run "name_has_no_spaces" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "orrery test"
  }
}

run "an_alarm_tells_somebody" {
  command         = plan
  expect_failures = [var.topic_arns]

  variables {
    topic_arns = []
  }
}
