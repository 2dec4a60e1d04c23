environment            = "production"
cidr                   = "10.20.0.0/16"
operators_roles        = ["arn:aws:iam::222222222222:role/vurksha-operators"]
images_domain          = "images.vurksha.example"
images_certificate_arn = "arn:aws:acm:us-east-1:222222222222:certificate/00000000-0000-0000-0000-000000000002"
alarm_emails           = ["operators@vurksha.example"]
pitr_days              = 35
