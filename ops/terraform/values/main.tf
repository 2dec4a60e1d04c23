# First values of the secrets that are ours alone, once after the shop's own apply: `terraform -chdir=values apply`.
# They are ephemeral and written by write-only arguments, so no plan and no state ever has them. To make one anew, raise
# its version here, or write it by other means: Terraform does not look at it again.
# A configuration of its own, because the mocked provider of `terraform test` has no ephemeral resources.
terraform {
  required_version = ">= 1.11, < 2.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
}

variable "environment" {
  description = "staging or production."
  type        = string
}

variable "region" {
  description = "Where the shop runs."
  type        = string
  default     = "ap-south-1"
}

locals {
  length = {
    jwt-secret       = 64
    user-code-pepper = 64
    operations-token = 64
    app-password     = 48 # of the app's own database role
  }
}

ephemeral "aws_secretsmanager_random_password" "made" {
  for_each            = local.length
  password_length     = each.value
  exclude_punctuation = true # they stand in URLs and in files of the environment
}

data "aws_secretsmanager_secret" "secret" {
  for_each = local.length
  name     = "vurksha-${var.environment}/${each.key}"
}

resource "aws_secretsmanager_secret_version" "made" {
  for_each                 = local.length
  secret_id                = data.aws_secretsmanager_secret.secret[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.made[each.key].random_password
  secret_string_wo_version = 1
}
