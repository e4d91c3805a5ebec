resource "aws_sns_topic" "pass" {
  name = "orrery-sample-topic"
  tags = { "data-class" = "personal" }
}

resource "aws_sns_topic" "fail_no_class" {
  name = "orrery-sample-topic-2"
  tags = { "data-class" = "secret" }
}
