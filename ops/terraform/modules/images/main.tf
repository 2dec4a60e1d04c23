# Pictures of products: a private bucket that only our CloudFront distribution reads.
data "aws_caller_identity" "here" {}

resource "aws_s3_bucket" "images" {
  #checkov:skip=CKV_AWS_144:AWS Backup copies it to the other region (modules/backup).
  #checkov:skip=CKV2_AWS_62:Nobody waits for news of a picture.
  bucket_prefix = "${var.name}-images-"
}

resource "aws_s3_bucket" "access" {
  #checkov:skip=CKV_AWS_144:It holds access logs: another copy is not worth its cost.
  #checkov:skip=CKV2_AWS_62:As above.
  #checkov:skip=CKV_AWS_145:Log delivery of S3 and CloudFront writes with S3's own key only.
  #checkov:skip=CKV_AWS_18:It is where access logs go; its own would never end.
  bucket_prefix = "${var.name}-access-"
}

resource "aws_s3_bucket_public_access_block" "closed" {
  for_each                = { images = aws_s3_bucket.images.id, access = aws_s3_bucket.access.id }
  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "images" {
  bucket = aws_s3_bucket.images.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# CloudFront's log delivery writes with an ACL.
resource "aws_s3_bucket_ownership_controls" "access" {
  #checkov:skip=CKV2_AWS_65:See above; the public access block keeps such an ACL from opening anything.
  bucket = aws_s3_bucket.access.id
  rule {
    object_ownership = "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_versioning" "kept" {
  for_each = { images = aws_s3_bucket.images.id, access = aws_s3_bucket.access.id }
  bucket   = each.value
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "images" {
  bucket = aws_s3_bucket.images.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "access" {
  bucket = aws_s3_bucket.access.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "images" {
  bucket = aws_s3_bucket.images.id
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access" {
  bucket = aws_s3_bucket.access.id
  rule {
    id     = "a-year"
    status = "Enabled"
    filter {}
    expiration {
      days = 365
    }
    noncurrent_version_expiration {
      noncurrent_days = 7
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_logging" "images" {
  bucket        = aws_s3_bucket.images.id
  target_bucket = aws_s3_bucket.access.id
  target_prefix = "s3/"
}
