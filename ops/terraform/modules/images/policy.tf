# TLS 1.2 at least: S3 speaks 1.3 as well, but CloudFront's way to its origin cannot be told to.
data "aws_iam_policy_document" "tls" {
  for_each = { images = aws_s3_bucket.images.arn, access = aws_s3_bucket.access.arn }

  statement {
    sid       = "NoPlainText"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value, "${each.value}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "NoOldTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value, "${each.value}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }
}

data "aws_iam_policy_document" "images" {
  source_policy_documents = [data.aws_iam_policy_document.tls["images"].json]

  statement {
    sid       = "OurDistributionReads"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.images.arn}/*"]
    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "AWS:SourceArn"
      values   = [aws_cloudfront_distribution.images.arn]
    }
  }
}

data "aws_iam_policy_document" "access" {
  source_policy_documents = [data.aws_iam_policy_document.tls["access"].json]

  statement {
    sid       = "S3DeliversItsLog"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.access.arn}/s3/*"]
    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.here.account_id]
    }
  }
}

resource "aws_s3_bucket_policy" "images" {
  bucket     = aws_s3_bucket.images.id
  policy     = data.aws_iam_policy_document.images.json
  depends_on = [aws_s3_bucket_public_access_block.closed]
}

resource "aws_s3_bucket_policy" "access" {
  bucket     = aws_s3_bucket.access.id
  policy     = data.aws_iam_policy_document.access.json
  depends_on = [aws_s3_bucket_public_access_block.closed]
}
