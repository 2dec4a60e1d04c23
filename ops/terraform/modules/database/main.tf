# RDS for PostgreSQL: two zones in step, any moment of the last weeks, a read-only copy, TLS or no connection.
resource "aws_db_subnet_group" "shop" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "PostgreSQL from the nodes"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL"
  referenced_security_group_id = var.from
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# What the app itself sets per connection is not here (core/store/connection.py).
resource "aws_db_parameter_group" "shop" {
  name_prefix = "${var.name}-"
  family      = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  dynamic "parameter" {
    for_each = {
      "ssl_min_protocol_version"            = "TLSv1.2"
      "log_min_duration_statement"          = "500"
      "log_connections"                     = "1"
      "log_disconnections"                  = "1"
      "log_lock_waits"                      = "1"
      "log_statement"                       = "ddl"
      "idle_in_transaction_session_timeout" = "10000"
    }
    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "immediate"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "database" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = 365
  kms_key_id        = var.logs_key_arn
}

resource "aws_db_instance" "primary" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.size.instance_class
  db_name        = "vurksha"
  username       = "vurksha_master"

  # RDS makes the password, keeps it in Secrets Manager and rotates it: it is in no state and no plan.
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.secrets_key_arn

  allocated_storage     = var.size.storage_gb
  max_allocated_storage = var.size.maximum_gb
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.key_arn

  multi_az               = true
  db_subnet_group_name   = aws_db_subnet_group.shop.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.shop.name

  backup_retention_period   = var.pitr_days
  backup_window             = "19:30-20:30" # UTC: one to two at night in India
  maintenance_window        = "sun:21:00-sun:22:00"
  delete_automated_backups  = false
  copy_tags_to_snapshot     = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"
  deletion_protection       = var.delete_protected

  auto_minor_version_upgrade = true
  apply_immediately          = false

  #checkov:skip=CKV_AWS_161:The app's role signs in by password over TLS; tokens of IAM end after 15 minutes and a pool opens connections at any time.
  #checkov:skip=CKV_AWS_293:Production sets it, see main.tf of the root; staging is thrown away.
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = 7
  monitoring_interval                   = 30
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.database]
}

# For own reads while the primary does not answer (VURKSHA_POSTGRES__STANDBY_URL), and to be promoted by hand.
resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:A replica is one zone's; the primary is in two, and reads fall back to it.
  #checkov:skip=CKV_AWS_161:As for the primary.
  #checkov:skip=CKV_AWS_293:It holds nothing of its own.
  count               = var.size.replicas
  identifier          = "${var.name}-replica-${count.index}"
  replicate_source_db = aws_db_instance.primary.identifier
  instance_class      = var.size.instance_class
  storage_type        = "gp3"
  storage_encrypted   = true
  kms_key_id          = var.key_arn

  multi_az               = false
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.shop.name

  copy_tags_to_snapshot      = true
  skip_final_snapshot        = true
  auto_minor_version_upgrade = true

  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = 7
  monitoring_interval                   = 30
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]
}

# WAL goes to the other region all the time: a lost region costs minutes, not a day.
resource "aws_db_instance_automated_backups_replication" "away" {
  provider               = aws.away
  source_db_instance_arn = aws_db_instance.primary.arn
  kms_key_id             = var.away_key_arn
  retention_period       = var.pitr_days
}
