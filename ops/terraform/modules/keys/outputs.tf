output "arns" {
  description = "By kind of data."
  value       = { for purpose, key in aws_kms_key.key : purpose => key.arn }
}
