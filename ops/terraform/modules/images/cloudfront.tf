resource "aws_cloudfront_origin_access_control" "images" {
  name                              = "${var.name}-images"
  description                       = "Signs every request to the bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_response_headers_policy" "images" {
  name = "${var.name}-images"
  security_headers_config {
    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      preload                    = true
      override                   = true
    }
    content_type_options {
      override = true
    }
    frame_options {
      frame_option = "DENY"
      override     = true
    }
    content_security_policy {
      content_security_policy = "default-src 'none'"
      override                = true
    }
  }
}

# Managed by AWS: CachingOptimized.
data "aws_cloudfront_cache_policy" "optimized" {
  name = "Managed-CachingOptimized"
}

resource "aws_cloudfront_distribution" "images" {
  #checkov:skip=CKV_AWS_68:It serves public pictures from a bucket and runs no code: a web application firewall has nothing to guard.
  #checkov:skip=CKV2_AWS_47:As above: no Java behind it.
  #checkov:skip=CKV_AWS_310:A second origin would be a second copy of pictures; the app shows a placeholder instead.
  #checkov:skip=CKV_AWS_305:There is no page at the root; whoever asks for it is told 403.
  #checkov:skip=CKV_AWS_374:Customers travel; pictures are public.
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = "PriceClass_200" # has the Indian edges
  aliases         = [var.domain]
  comment         = var.name

  origin {
    origin_id                = "images"
    domain_name              = aws_s3_bucket.images.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.images.id
  }

  default_cache_behavior {
    target_origin_id           = "images"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    viewer_protocol_policy     = "https-only"
    cache_policy_id            = data.aws_cloudfront_cache_policy.optimized.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.images.id
    compress                   = true
  }

  # CloudFront has a policy that takes nothing below TLS 1.3 (TLSv1.3_2025); this provider release does not know it yet.
  # This one takes TLS 1.3 first, then 1.2 with forward secrecy only.
  viewer_certificate {
    acm_certificate_arn      = var.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }

  logging_config {
    bucket          = aws_s3_bucket.access.bucket_domain_name
    prefix          = "cloudfront/"
    include_cookies = false
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  depends_on = [aws_s3_bucket_ownership_controls.access]
}

# An alarm tells a topic of its own region only.
resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch may not use AWS's own key, and what is told is a distribution's name and a share
  provider = aws.global
  name     = "${var.name}-images-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.emails)
  provider  = aws.global
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# Pictures that a certificate no longer covers would be seen by nobody: CloudFront's numbers live in us-east-1 only.
resource "aws_cloudwatch_metric_alarm" "errors" {
  provider            = aws.global
  alarm_name          = "${var.name}-images-5xx"
  alarm_description   = "Over 5 % of pictures cannot be had"
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  dimensions          = { DistributionId = aws_cloudfront_distribution.images.id, Region = "Global" }
}
