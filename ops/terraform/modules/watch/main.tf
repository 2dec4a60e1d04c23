# What AWS knows and Prometheus does not: the stores' own machines. Everything the app knows is in ops/prometheus.
resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# Where a collector in the cluster may ship the replicas' lines, beside Loki.
resource "aws_cloudwatch_log_group" "app" {
  name              = "/${var.name}/app"
  retention_in_days = 365
  kms_key_id        = var.logs_key_arn
}

locals {
  gigabyte = 1024 * 1024 * 1024
  database = {
    cpu         = { metric = "CPUUtilization", above = true, limit = 80, unit = "percent for 15 minutes" }
    disk        = { metric = "FreeStorageSpace", above = false, limit = 0.15 * var.storage_gb * local.gigabyte, unit = "bytes: under 15 % free" }
    memory      = { metric = "FreeableMemory", above = false, limit = 0.25 * local.gigabyte, unit = "bytes" }
    connections = { metric = "DatabaseConnections", above = true, limit = 300, unit = "connections" }
    wal-slots   = { metric = "OldestReplicationSlotLag", above = true, limit = 5 * local.gigabyte, unit = "bytes that a slot holds back" }
  }
  cache = {
    cpu       = { metric = "EngineCPUUtilization", above = true, limit = 80, unit = "percent" }
    memory    = { metric = "DatabaseMemoryUsagePercentage", above = true, limit = 80, unit = "percent" }
    evictions = { metric = "Evictions", above = true, limit = 1000, unit = "copies thrown out in 5 minutes" }
  }
  broker = {
    disk   = { metric = "RabbitMQDiskFree", above = false, limit = 10 * local.gigabyte, unit = "bytes" }
    memory = { metric = "RabbitMQMemUsed", above = true, limit = 3 * local.gigabyte, unit = "bytes" }
    queued = { metric = "MessageCount", above = true, limit = 12000, unit = "messages: a minute's work" }
  }
  cache_alarms = { for pair in setproduct(var.cache_ids, keys(local.cache)) : "${pair[0]}-${pair[1]}" => { id = pair[0], kind = pair[1] } }
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each            = local.database
  alarm_name          = "${var.name}-database-${each.key}"
  alarm_description   = "${each.value.metric} beyond ${each.value.limit} ${each.value.unit}: ops/runbooks/disaster-disk-full.md, disaster-database-lost.md"
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  statistic           = "Average"
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.limit
  period              = 300
  evaluation_periods  = 3
  dimensions          = { DBInstanceIdentifier = var.database_id }
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "replica" {
  count               = length(var.replica_ids)
  alarm_name          = "${var.name}-replica-${count.index}-lag"
  alarm_description   = "The read-only copy is over 30 s late: ops/runbooks/disaster-database-lost.md"
  namespace           = "AWS/RDS"
  metric_name         = "ReplicaLag"
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 30
  period              = 60
  evaluation_periods  = 5
  dimensions          = { DBInstanceIdentifier = var.replica_ids[count.index] }
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "cache" {
  for_each            = local.cache_alarms
  alarm_name          = "${var.name}-cache-${each.key}"
  alarm_description   = "${local.cache[each.value.kind].metric} beyond ${local.cache[each.value.kind].limit} ${local.cache[each.value.kind].unit}: ops/runbooks/disaster-redis-lost.md"
  namespace           = "AWS/ElastiCache"
  metric_name         = local.cache[each.value.kind].metric
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.cache[each.value.kind].limit
  period              = 300
  evaluation_periods  = 2
  dimensions          = { CacheClusterId = each.value.id }
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "broker" {
  for_each            = local.broker
  alarm_name          = "${var.name}-broker-${each.key}"
  alarm_description   = "${each.value.metric} beyond ${each.value.limit} ${each.value.unit}: ops/runbooks/disaster-broker-lost.md"
  namespace           = "AWS/AmazonMQ"
  metric_name         = each.value.metric
  statistic           = "Average"
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.limit
  period              = 300
  evaluation_periods  = 2
  dimensions          = { Broker = var.broker_name }
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
