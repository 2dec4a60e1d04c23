provider "aws" {
  region = var.region
  default_tags { tags = local.tags }
}

# Copies of backups. The same country: personal data stays in it.
provider "aws" {
  alias  = "away"
  region = var.away_region
  default_tags { tags = local.tags }
}

# CloudFront reads its certificate from here and nowhere else.
provider "aws" {
  alias  = "global"
  region = "us-east-1"
  default_tags { tags = local.tags }
}
