# Valkey. Nothing true lives here alone, so no snapshots: after a loss it fills itself from PostgreSQL.
resource "aws_elasticache_subnet_group" "shop" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "cache" {
  name        = "${var.name}-cache"
  description = "Valkey from the nodes"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  security_group_id            = aws_security_group.cache.id
  description                  = "Valkey over TLS"
  referenced_security_group_id = var.from
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

resource "aws_cloudwatch_log_group" "cache" {
  name              = "/${var.name}/cache"
  retention_in_days = 365
  kms_key_id        = var.logs_key_arn
}

resource "aws_elasticache_parameter_group" "shop" {
  name   = var.name
  family = "valkey8"
  parameter {
    name  = "maxmemory-policy"
    value = "volatile-lru" # the app gives every copy a lifetime
  }
}

resource "aws_elasticache_replication_group" "shop" {
  #checkov:skip=CKV2_AWS_50:Fail-over and zones depend on the number of nodes, which sizes/ gives: two or more everywhere, see the check below.
  replication_group_id = var.name
  description          = "Copies, rate limits, news between replicas"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.size.node_type
  num_cache_clusters   = var.size.nodes
  parameter_group_name = aws_elasticache_parameter_group.shop.name
  port                 = 6379

  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.shop.name
  security_group_ids         = [aws_security_group.cache.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = var.auth_token
  auth_token_update_strategy = "ROTATE"

  auto_minor_version_upgrade = true
  apply_immediately          = false
  maintenance_window         = "sun:22:00-sun:23:00"
  snapshot_retention_limit   = 0

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.cache.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }

  lifecycle {
    # The first token is in the state; the one in use was rotated in outside of Terraform (README, secrets).
    ignore_changes = [auth_token]
  }
}
