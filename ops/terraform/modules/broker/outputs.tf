output "name" {
  description = "As CloudWatch knows it."
  value       = aws_mq_broker.shop.broker_name
}

output "endpoints" {
  description = "amqps://..."
  value       = flatten(aws_mq_broker.shop.instances[*].endpoints)
}
