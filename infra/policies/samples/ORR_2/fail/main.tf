resource "aws_iam_policy" "reader" {
  name = "orrery-sample-reader"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["s3:Get*"]
      Resource = "*"
    }]
  })
}
