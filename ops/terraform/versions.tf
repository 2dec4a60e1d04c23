# The state lies in a bucket of its own: `terraform init -backend-config=backend.hcl` names it (README).
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
