module "alarms" {
  source = "../.."

  name       = "orrery-example"
  topic_arns = ["arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"]

  alarms = {
    loader-errors = {
      description = "The loader failed at least once in five minutes."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = "orrery-example-loader" }
      period_s    = 300
      threshold   = 0
    }
    loader-slow = {
      description         = "One load in a hundred takes more than a minute, for three of five minutes."
      namespace           = "AWS/Lambda"
      metric              = "Duration"
      dimensions          = { FunctionName = "orrery-example-loader" }
      statistic           = "p99"
      threshold           = 60000
      evaluation_periods  = 5
      datapoints_to_alarm = 3
    }
  }
}
