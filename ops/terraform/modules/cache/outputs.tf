output "address" {
  description = "Of whoever is the primary."
  value       = aws_elasticache_replication_group.shop.primary_endpoint_address
}

output "member_ids" {
  description = "Of the nodes, as ElastiCache names them."
  value       = [for number in range(var.size.nodes) : format("%s-%03d", var.name, number + 1)]
}
