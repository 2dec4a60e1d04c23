locals {
  name = "vurksha-${var.environment}"
  tags = {
    app         = "vurksha"
    environment = var.environment
    size        = var.size.name
    managed-by  = "terraform"
  }
  production = var.environment == "production"
}

module "keys" {
  source = "./modules/keys"
  name   = local.name
  region = var.region
}

module "away_keys" {
  source    = "./modules/keys"
  name      = local.name
  region    = var.away_region
  purposes  = ["data"]
  providers = { aws = aws.away }
}

module "network" {
  source  = "./modules/network"
  name    = local.name
  region  = var.region
  cidr    = var.cidr
  zones   = var.zones
  key_arn = module.keys.arns["logs"]
}

module "cluster" {
  source          = "./modules/cluster"
  name            = local.name
  vpc_id          = module.network.vpc_id
  subnet_ids      = module.network.private_subnet_ids
  nodes           = var.size.nodes
  secrets_key_arn = module.keys.arns["secrets"]
  logs_key_arn    = module.keys.arns["logs"]
  operators_roles = var.operators_roles
}

module "database" {
  source           = "./modules/database"
  name             = local.name
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.data_subnet_ids
  from             = module.cluster.node_security_group_id
  size             = var.size.database
  pitr_days        = var.pitr_days
  key_arn          = module.keys.arns["data"]
  secrets_key_arn  = module.keys.arns["secrets"]
  logs_key_arn     = module.keys.arns["logs"]
  away_key_arn     = module.away_keys.arns["data"]
  delete_protected = local.production
  providers        = { aws = aws, aws.away = aws.away }
}

module "cache" {
  source       = "./modules/cache"
  name         = local.name
  vpc_id       = module.network.vpc_id
  subnet_ids   = module.network.data_subnet_ids
  from         = module.cluster.node_security_group_id
  size         = var.size.cache
  key_arn      = module.keys.arns["data"]
  logs_key_arn = module.keys.arns["logs"]
  auth_token   = module.secrets.first_passwords["cache"]
}

module "broker" {
  source     = "./modules/broker"
  name       = local.name
  vpc_id     = module.network.vpc_id
  subnet_ids = module.network.data_subnet_ids
  from       = module.cluster.node_security_group_id
  size       = var.size.broker
  key_arn    = module.keys.arns["data"]
  password   = module.secrets.first_passwords["broker"]
}

module "secrets" {
  source  = "./modules/secrets"
  name    = local.name
  key_arn = module.keys.arns["secrets"]
}

module "images" {
  source          = "./modules/images"
  name            = local.name
  domain          = var.images_domain
  certificate_arn = var.images_certificate_arn
  key_arn         = module.keys.arns["images"]
  emails          = var.alarm_emails
  providers       = { aws = aws, aws.global = aws.global }
}

module "watch" {
  source       = "./modules/watch"
  name         = local.name
  emails       = var.alarm_emails
  key_arn      = module.keys.arns["logs"]
  logs_key_arn = module.keys.arns["logs"]
  database_id  = module.database.id
  replica_ids  = module.database.replica_ids
  cache_ids    = module.cache.member_ids
  broker_name  = module.broker.name
  storage_gb   = var.size.database.storage_gb
}

module "backup" {
  source           = "./modules/backup"
  name             = local.name
  key_arn          = module.keys.arns["data"]
  away_key_arn     = module.away_keys.arns["data"]
  resource_arns    = [module.database.arn, module.images.bucket_arn]
  delete_protected = local.production
  providers        = { aws = aws, aws.away = aws.away }
}

module "access" {
  source          = "./modules/access"
  name            = local.name
  cluster_name    = module.cluster.name
  namespace       = var.namespace
  service_account = var.service_account
  secret_arns     = values(module.secrets.arns)
  secrets_key_arn = module.keys.arns["secrets"]
  bucket_arn      = module.images.bucket_arn
  images_key_arn  = module.keys.arns["images"]
}
