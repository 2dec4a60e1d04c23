output "bucket" {
  description = "To upload to."
  value       = aws_s3_bucket.images.bucket
}

output "bucket_arn" {
  description = "The same, for policies."
  value       = aws_s3_bucket.images.arn
}

output "cloudfront_domain" {
  description = "What the domain's CNAME names."
  value       = aws_cloudfront_distribution.images.domain_name
}
