# The whole shop in both environments and every size. The provider is mocked: no account, no network.
mock_provider "aws" {
  source = "./tests/mocks"
}
mock_provider "aws" {
  alias  = "away"
  source = "./tests/mocks"
}
mock_provider "aws" {
  alias  = "global"
  source = "./tests/mocks"
}

variables {
  environment            = "production"
  cidr                   = "10.20.0.0/16"
  operators_roles        = ["arn:aws:iam::222222222222:role/operators"]
  images_domain          = "images.vurksha.example"
  images_certificate_arn = "arn:aws:acm:us-east-1:222222222222:certificate/made"
  alarm_emails           = ["operators@vurksha.example"]
}

run "small" {
  variables {
    size = jsondecode(file("./sizes/small.tfvars.json")).size
  }
  assert {
    condition     = length(output.database.replicas) == 1
    error_message = "Own reads need a copy while the primary is away."
  }
  assert {
    condition     = length(output.secrets) == 10
    error_message = "External Secrets reads ten secrets."
  }
}

run "medium" {
  variables {
    size = jsondecode(file("./sizes/medium.tfvars.json")).size
  }
}

run "large" {
  variables {
    size = jsondecode(file("./sizes/large.tfvars.json")).size
  }
}

run "staging" {
  variables {
    environment = "staging"
    pitr_days   = 7
    size        = jsondecode(file("./sizes/small.tfvars.json")).size
  }
}

run "no_other_environment" {
  command = plan
  variables {
    environment = "laptop"
    size        = jsondecode(file("./sizes/small.tfvars.json")).size
  }
  expect_failures = [var.environment]
}

run "no_day_of_wal_is_not_enough" {
  command = plan
  variables {
    pitr_days = 1
    size      = jsondecode(file("./sizes/small.tfvars.json")).size
  }
  expect_failures = [var.pitr_days]
}
