output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.shop.id
}

output "private_subnet_ids" {
  description = "For nodes: a way out by NAT, none in."
  value       = aws_subnet.private[*].id
}

output "data_subnet_ids" {
  description = "For stores: neither."
  value       = aws_subnet.data[*].id
}
