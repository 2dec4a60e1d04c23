output "vault_arns" {
  description = "Here and away."
  value       = [aws_backup_vault.here.arn, aws_backup_vault.away.arn]
}
