resource "aws_cloudwatch_log_group" "pass_below_a_path" {
  name = "/aws/lambda/orrery-sample-loader"
}

resource "aws_cloudwatch_log_group" "fail_the_stack_only_in_the_middle" {
  name = "/aws/lambda/my-orrery-sample-loader"
}

resource "aws_iam_role" "fail_another_stack" {
  name_prefix        = "orrery-other-"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

