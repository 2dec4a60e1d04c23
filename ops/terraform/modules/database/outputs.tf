output "id" {
  description = "The primary's identifier."
  value       = aws_db_instance.primary.identifier
}

output "arn" {
  description = "The primary's."
  value       = aws_db_instance.primary.arn
}

output "address" {
  description = "Host of the primary, the same after a switch of zones."
  value       = aws_db_instance.primary.address
}

output "replica_ids" {
  description = "Of the read-only copies."
  value       = aws_db_instance.replica[*].identifier
}

output "replica_addresses" {
  description = "Of the read-only copies."
  value       = aws_db_instance.replica[*].address
}

output "master_secret_arn" {
  description = "Made and rotated by RDS."
  value       = one(aws_db_instance.primary.master_user_secret[*].secret_arn)
}
