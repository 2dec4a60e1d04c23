# A key for each kind of data, so that leave to read one kind is no leave to read the rest.
data "aws_caller_identity" "here" {}

locals {
  users = {
    data    = []
    secrets = []
    images  = ["cloudfront.amazonaws.com"]
    logs    = ["logs.${var.region}.amazonaws.com", "cloudwatch.amazonaws.com"]
  }
}

data "aws_iam_policy_document" "key" {
  for_each = toset(var.purposes)

  #checkov:skip=CKV_AWS_109:A key's policy names the key by "*": it is attached to it and means no other.
  #checkov:skip=CKV_AWS_111:As above. Without the account's own statement nobody could ever change the key.
  #checkov:skip=CKV_AWS_356:As above.
  statement {
    sid       = "AccountByItsOwnPolicies"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.here.account_id}:root"]
    }
  }

  dynamic "statement" {
    for_each = toset(local.users[each.key])
    content {
      sid       = replace(title(replace(statement.value, ".", " ")), "/[^A-Za-z0-9]/", "")
      actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = [statement.value]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.here.account_id]
      }
    }
  }
}

resource "aws_kms_key" "key" {
  for_each                = toset(var.purposes)
  description             = "${var.name} ${each.key}"
  enable_key_rotation     = true
  rotation_period_in_days = 365
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[each.key].json
}

resource "aws_kms_alias" "key" {
  for_each      = toset(var.purposes)
  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.key[each.key].key_id
}
