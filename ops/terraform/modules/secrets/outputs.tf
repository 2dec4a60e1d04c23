output "arns" {
  description = "By name."
  value       = { for name, secret in aws_secretsmanager_secret.secret : name => secret.arn }
}

output "names" {
  description = "As External Secrets asks for them."
  value       = [for secret in aws_secretsmanager_secret.secret : secret.name]
}

output "first_passwords" {
  description = "Of cache and broker, for their creation."
  value       = { for name, made in data.aws_secretsmanager_random_password.first : name => made.random_password }
  sensitive   = true
}
