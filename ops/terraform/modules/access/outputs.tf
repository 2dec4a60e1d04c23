output "role_arns" {
  description = "By whom."
  value       = { app = aws_iam_role.app.arn, external_secrets = aws_iam_role.external_secrets.arn }
}
