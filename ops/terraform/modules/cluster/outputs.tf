output "name" {
  description = "The cluster's."
  value       = aws_eks_cluster.shop.name
}

output "node_security_group_id" {
  description = "Whom the stores let in."
  value       = aws_security_group.nodes.id
}
