# What is promised of everything around the stores: keys that rotate, a closed API, private pictures, copies away.
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
  name            = "vurksha-test"
  region          = "ap-south-1"
  vpc_id          = "vpc-1"
  subnet_ids      = ["subnet-1", "subnet-2", "subnet-3"]
  key_arn         = "arn:aws:kms:ap-south-1:222222222222:key/data"
  secrets_key_arn = "arn:aws:kms:ap-south-1:222222222222:key/secrets"
  logs_key_arn    = "arn:aws:kms:ap-south-1:222222222222:key/logs"
}

run "keys" {
  module {
    source = "./modules/keys"
  }
  assert {
    condition     = length(aws_kms_key.key) == 4 && alltrue([for key in aws_kms_key.key : key.enable_key_rotation && key.deletion_window_in_days == 30])
    error_message = "A key for each kind of data; all rotate, none goes at once."
  }
}

run "network" {
  module {
    source = "./modules/network"
  }
  variables {
    cidr  = "10.20.0.0/16"
    zones = ["ap-south-1a", "ap-south-1b", "ap-south-1c"]
  }
  assert {
    condition     = length(distinct(aws_subnet.private[*].availability_zone)) == 3 && length(distinct(aws_subnet.data[*].availability_zone)) == 3
    error_message = "Three zones."
  }
  assert {
    condition     = alltrue([for one in concat(aws_subnet.public, aws_subnet.private, aws_subnet.data) : one.map_public_ip_on_launch != true])
    error_message = "No machine gets a public address by itself."
  }
  assert {
    condition     = length(distinct(concat(aws_subnet.public[*].cidr_block, aws_subnet.private[*].cidr_block, aws_subnet.data[*].cidr_block))) == 9
    error_message = "Nine ranges."
  }
  assert {
    condition     = length(aws_nat_gateway.shop) == 3 && length(aws_vpc_endpoint.interface) == 9
    error_message = "A way out in each zone; what nodes ask of AWS stays inside."
  }
}

run "cluster" {
  module {
    source = "./modules/cluster"
  }
  variables {
    nodes           = { instance_type = "t4g.medium", minimum = 3, desired = 3, maximum = 6 }
    operators_roles = ["arn:aws:iam::222222222222:role/operators"]
  }
  assert {
    condition     = aws_eks_cluster.shop.vpc_config[0].endpoint_private_access && !aws_eks_cluster.shop.vpc_config[0].endpoint_public_access
    error_message = "The API answers inside only."
  }
  assert {
    condition     = aws_eks_cluster.shop.encryption_config[0].provider[0].key_arn == var.secrets_key_arn
    error_message = "Secrets are encrypted before they are stored."
  }
  assert {
    condition     = aws_launch_template.node.metadata_options[0].http_tokens == "required" && aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "No pod takes the node's credentials."
  }
  assert {
    condition     = tobool(aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted)
    error_message = "Nodes' disks are encrypted."
  }
  assert {
    condition     = jsondecode(aws_eks_addon.first["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "A NetworkPolicy holds."
  }
}

run "images" {
  module {
    source = "./modules/images"
  }
  providers = { aws = aws, aws.global = aws.global }
  variables {
    domain          = "images.vurksha.example"
    certificate_arn = "arn:aws:acm:us-east-1:222222222222:certificate/made"
    emails          = ["operators@vurksha.example"]
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.errors.alarm_actions) == 1 && length(aws_sns_topic_subscription.alarms) == 1
    error_message = "Somebody is told when pictures cannot be had."
  }
  assert {
    condition     = alltrue([for one in aws_s3_bucket_public_access_block.closed : one.block_public_acls && one.block_public_policy && one.ignore_public_acls && one.restrict_public_buckets])
    error_message = "No bucket is public."
  }
  assert {
    condition     = aws_cloudfront_origin_access_control.images.signing_behavior == "always"
    error_message = "Our distribution alone reads."
  }
  assert {
    condition     = aws_cloudfront_distribution.images.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.images.default_cache_behavior[0].viewer_protocol_policy == "https-only"
    error_message = "TLS 1.3 or 1.2 with forward secrecy."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.images.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.key_arn
    error_message = "Encrypted under our key."
  }
}

run "backup" {
  module {
    source = "./modules/backup"
  }
  providers = { aws = aws, aws.away = aws.away }
  variables {
    away_key_arn     = "arn:aws:kms:ap-south-2:222222222222:key/away"
    resource_arns    = ["arn:aws:rds:ap-south-1:222222222222:db:made"]
    delete_protected = true
  }
  assert {
    condition     = one(one(aws_backup_plan.shop.rule).copy_action).destination_vault_arn == aws_backup_vault.away.arn
    error_message = "A copy in the other region."
  }
  assert {
    condition     = one(one(aws_backup_plan.shop.rule).lifecycle).delete_after == 35 && length(aws_backup_vault_lock_configuration.here) == 1
    error_message = "Nobody deletes them early; erased people are gone from them after 35 days."
  }
}

run "access" {
  module {
    source = "./modules/access"
  }
  variables {
    cluster_name    = "made"
    namespace       = "vurksha"
    service_account = "vurksha"
    secret_arns     = ["arn:aws:secretsmanager:ap-south-1:222222222222:secret:made"]
    bucket_arn      = "arn:aws:s3:::made"
    images_key_arn  = "arn:aws:kms:ap-south-1:222222222222:key/images"
  }
  assert {
    condition     = data.aws_iam_policy_document.app.statement[0].actions == toset(["s3:PutObject"]) && data.aws_iam_policy_document.app.statement[0].resources == toset(["arn:aws:s3:::made/products/*"])
    error_message = "A replica puts pictures and does nothing else."
  }
  assert {
    condition     = data.aws_iam_policy_document.external_secrets.statement[0].resources == toset(var.secret_arns)
    error_message = "External Secrets reads what it is told of."
  }
}
