# What External Secrets hands to the replicas. Here they are only named: ../../values writes first values, which are in
# no plan and no state.
locals {
  made    = ["jwt-secret", "user-code-pepper", "operations-token", "app-password"]
  written = ["database-url", "standby-url", "migration-url", "redis-url", "rabbitmq-url", "providers"]
}

resource "aws_secretsmanager_secret" "secret" {
  #checkov:skip=CKV2_AWS_57:No function of ours rotates them: keys and passwords are rotated by commands that keep the old one valid meanwhile (runbook disaster-key-leaked).
  for_each                = toset(concat(local.made, local.written))
  name                    = "${var.name}/${each.key}"
  description             = contains(local.made, each.key) ? "Made at random" : "Written by operators"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

# ElastiCache and Amazon MQ take their first password as an ordinary argument, which Terraform keeps in its state.
data "aws_secretsmanager_random_password" "first" {
  for_each            = toset(["cache", "broker"])
  password_length     = 48
  exclude_punctuation = true
}
