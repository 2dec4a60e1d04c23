# Amazon MQ for RabbitMQ: three nodes in three zones, quorum queues. amqps only; Amazon MQ has no other listener.
resource "aws_security_group" "broker" {
  name        = "${var.name}-broker"
  description = "AMQP over TLS from the nodes"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "broker" {
  for_each                     = { amqps = 5671, management = 443 }
  security_group_id            = aws_security_group.broker.id
  description                  = each.key
  referenced_security_group_id = var.from
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_mq_configuration" "shop" {
  name           = var.name
  description    = "As the app expects its broker"
  engine_type    = "RabbitMQ"
  engine_version = "3.13"
  data           = <<-CONF
    # RELIABILITY 4.7: delivered after 30 minutes without an answer means handed to another consumer.
    consumer_timeout = 1800000
  CONF
}

resource "aws_mq_broker" "shop" {
  #checkov:skip=CKV_AWS_197:Audit logs are ActiveMQ's; Amazon MQ refuses the setting for RabbitMQ.
  broker_name                = var.name
  engine_type                = "RabbitMQ"
  engine_version             = "3.13"
  host_instance_type         = var.size.instance_type
  deployment_mode            = "CLUSTER_MULTI_AZ"
  storage_type               = "ebs"
  subnet_ids                 = var.subnet_ids
  security_groups            = [aws_security_group.broker.id]
  publicly_accessible        = false
  auto_minor_version_upgrade = true
  apply_immediately          = false

  configuration {
    id       = aws_mq_configuration.shop.id
    revision = aws_mq_configuration.shop.latest_revision
  }

  encryption_options {
    use_aws_owned_key = false
    kms_key_id        = var.key_arn
  }

  logs {
    general = true
  }

  maintenance_window_start_time {
    day_of_week = "SUNDAY"
    time_of_day = "23:00"
    time_zone   = "UTC"
  }

  user {
    username = "vurksha"
    password = var.password
  }

  lifecycle {
    # The first password is in the state; the one in use was set outside of Terraform (README, secrets).
    ignore_changes = [user]
  }
}
