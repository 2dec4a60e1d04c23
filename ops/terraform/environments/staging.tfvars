environment            = "staging"
namespace              = "vurksha-staging"
cidr                   = "10.30.0.0/16"
operators_roles        = ["arn:aws:iam::111111111111:role/vurksha-operators"]
images_domain          = "images.staging.vurksha.example"
images_certificate_arn = "arn:aws:acm:us-east-1:111111111111:certificate/00000000-0000-0000-0000-000000000001"
alarm_emails           = ["operators@vurksha.example"]
pitr_days              = 7
