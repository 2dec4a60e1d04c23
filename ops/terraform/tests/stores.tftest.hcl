# What is promised of the stores: encrypted, in several zones, closed to the world, TLS, any moment restorable.
mock_provider "aws" {
  source = "./tests/mocks"
}
mock_provider "aws" {
  alias  = "away"
  source = "./tests/mocks"
}

variables {
  name             = "vurksha-test"
  vpc_id           = "vpc-1"
  subnet_ids       = ["subnet-1", "subnet-2", "subnet-3"]
  from             = "sg-1"
  pitr_days        = 35
  key_arn          = "arn:aws:kms:ap-south-1:222222222222:key/data"
  secrets_key_arn  = "arn:aws:kms:ap-south-1:222222222222:key/secrets"
  logs_key_arn     = "arn:aws:kms:ap-south-1:222222222222:key/logs"
  away_key_arn     = "arn:aws:kms:ap-south-2:222222222222:key/away"
  delete_protected = true
  auth_token       = "0123456789abcdef0123456789abcdef"
  password         = "0123456789abcdef0123456789abcdef"
}

run "database" {
  module {
    source = "./modules/database"
  }
  providers = { aws = aws, aws.away = aws.away }
  variables {
    size = { instance_class = "db.t4g.medium", storage_gb = 50, maximum_gb = 200, replicas = 1 }
  }
  assert {
    condition     = aws_db_instance.primary.multi_az && length(aws_db_instance.replica) == 1
    error_message = "Two zones in step and a copy."
  }
  assert {
    condition     = alltrue([for one in concat([aws_db_instance.primary], aws_db_instance.replica) : one.storage_encrypted && one.kms_key_id == var.key_arn])
    error_message = "Disks are encrypted under our key."
  }
  assert {
    condition     = alltrue([for one in concat([aws_db_instance.primary], aws_db_instance.replica) : !one.publicly_accessible])
    error_message = "Nobody outside reaches them."
  }
  assert {
    condition     = aws_db_instance.primary.backup_retention_period == 35 && !aws_db_instance.primary.delete_automated_backups
    error_message = "Any moment of 35 days, also after a deletion."
  }
  assert {
    condition     = aws_db_instance_automated_backups_replication.away.retention_period == 35 && aws_db_instance_automated_backups_replication.away.kms_key_id == var.away_key_arn
    error_message = "The same in the other region."
  }
  assert {
    condition     = { for one in aws_db_parameter_group.shop.parameter : one.name => one.value }["rds.force_ssl"] == "1"
    error_message = "No connection without TLS."
  }
  assert {
    condition     = { for one in aws_db_parameter_group.shop.parameter : one.name => one.value }["ssl_min_protocol_version"] == "TLSv1.2"
    error_message = "And none with an old one."
  }
  assert {
    condition     = aws_db_instance.primary.manage_master_user_password && aws_db_instance.primary.password == null
    error_message = "RDS makes and rotates the master's password."
  }
  assert {
    condition     = aws_db_instance.primary.performance_insights_enabled && aws_db_instance.primary.deletion_protection && !aws_db_instance.primary.skip_final_snapshot
    error_message = "It can be looked into, and is not destroyed by mistake."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.database.referenced_security_group_id == var.from && aws_vpc_security_group_ingress_rule.database.cidr_ipv4 == null
    error_message = "Nodes alone connect."
  }
}

run "cache" {
  module {
    source = "./modules/cache"
  }
  variables {
    size = { node_type = "cache.t4g.small", nodes = 2 }
  }
  assert {
    condition     = aws_elasticache_replication_group.shop.multi_az_enabled && aws_elasticache_replication_group.shop.automatic_failover_enabled
    error_message = "A zone may go."
  }
  assert {
    condition     = aws_elasticache_replication_group.shop.transit_encryption_enabled && aws_elasticache_replication_group.shop.transit_encryption_mode == "required"
    error_message = "TLS or nothing."
  }
  assert {
    condition     = tobool(aws_elasticache_replication_group.shop.at_rest_encryption_enabled) && aws_elasticache_replication_group.shop.kms_key_id == var.key_arn
    error_message = "Encrypted on disk."
  }
  assert {
    condition     = aws_elasticache_replication_group.shop.auth_token != null
    error_message = "Nobody comes in without the token."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.cache.referenced_security_group_id == var.from
    error_message = "Nodes alone connect."
  }
}

run "one_node_is_no_fail_over" {
  command = plan
  module {
    source = "./modules/cache"
  }
  variables {
    size = { node_type = "cache.t4g.small", nodes = 1 }
  }
  expect_failures = [var.size]
}

run "broker" {
  module {
    source = "./modules/broker"
  }
  variables {
    size = { instance_type = "mq.m5.large" }
  }
  assert {
    condition     = aws_mq_broker.shop.deployment_mode == "CLUSTER_MULTI_AZ" && length(aws_mq_broker.shop.subnet_ids) == 3
    error_message = "A node in each zone."
  }
  assert {
    condition     = !aws_mq_broker.shop.publicly_accessible && !one(aws_mq_broker.shop.encryption_options).use_aws_owned_key
    error_message = "Closed to the world, encrypted under our key."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.broker : rule.referenced_security_group_id == var.from && contains([5671, 443], rule.to_port)])
    error_message = "Nodes alone connect, over TLS alone."
  }
}
