# Besides what RDS keeps of itself: snapshots that nobody can delete early, and copies of them in another region.
resource "aws_backup_vault" "here" {
  name        = var.name
  kms_key_arn = var.key_arn
}

resource "aws_backup_vault" "away" {
  provider    = aws.away
  name        = var.name
  kms_key_arn = var.away_key_arn
}

# Governance mode: even an administrator waits a week, unless a role was given leave beforehand.
resource "aws_backup_vault_lock_configuration" "here" {
  count              = var.delete_protected ? 1 : 0
  backup_vault_name  = aws_backup_vault.here.name
  min_retention_days = 7
  max_retention_days = 400
}

resource "aws_backup_vault_lock_configuration" "away" {
  count              = var.delete_protected ? 1 : 0
  provider           = aws.away
  backup_vault_name  = aws_backup_vault.away.name
  min_retention_days = 7
  max_retention_days = 400
}

# 35 days and no more: erased people must be gone from backups too, some day (README, backups).
resource "aws_backup_plan" "shop" {
  name = var.name
  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.here.name
    schedule          = "cron(30 21 * * ? *)"
    start_window      = 60
    completion_window = 300
    lifecycle {
      delete_after = 35
    }
    copy_action {
      destination_vault_arn = aws_backup_vault.away.arn
      lifecycle {
        delete_after = 35
      }
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "backup" {
  name               = "${var.name}-backup"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each = toset([
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "AWSBackupServiceRolePolicyForS3Backup",
  ])
  role       = aws_iam_role.backup.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

resource "aws_backup_selection" "shop" {
  name         = var.name
  plan_id      = aws_backup_plan.shop.id
  iam_role_arn = aws_iam_role.backup.arn
  resources    = var.resource_arns
}
