output "cluster" {
  description = "For `aws eks update-kubeconfig`, from within the VPC: the endpoint is private."
  value       = module.cluster.name
}

output "database" {
  description = "Addresses: the primary's, and those of what only reads."
  value       = { primary = module.database.address, replicas = module.database.replica_addresses }
}

output "database_master_secret_arn" {
  description = "RDS made and rotates it. Only the bootstrap of the app's own role reads it."
  value       = module.database.master_secret_arn
}

output "cache" {
  description = "The primary's address; rediss:// only."
  value       = module.cache.address
}

output "broker" {
  description = "amqps:// only."
  value       = module.broker.endpoints
}

output "images" {
  description = "Bucket to upload to, and the name to point the domain at."
  value       = { bucket = module.images.bucket, cloudfront = module.images.cloudfront_domain }
}

output "secrets" {
  description = "Names that External Secrets reads."
  value       = module.secrets.names
}
