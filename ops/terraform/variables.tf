variable "environment" {
  description = "staging or production: environments/*.tfvars."
  type        = string
  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "It is staging or production."
  }
}

variable "size" {
  description = "What the shop needs: sizes/*.tfvars.json. The cost table is made from the same files."
  type = object({
    name           = string
    orders_per_day = number
    nodes = object({
      instance_type = string
      minimum       = number
      desired       = number
      maximum       = number
    })
    database = object({
      instance_class = string
      storage_gb     = number
      maximum_gb     = number
      replicas       = number
    })
    cache  = object({ node_type = string, nodes = number })
    broker = object({ instance_type = string })
    traffic = object({
      images_gb = number
      logs_gb   = number
      nat_gb    = number
    })
  })
}

variable "region" {
  description = "Where the shop runs."
  type        = string
  default     = "ap-south-1"
}

variable "zones" {
  description = "Of the region, by name: a zone that AWS adds moves nothing."
  type        = list(string)
  default     = ["ap-south-1a", "ap-south-1b", "ap-south-1c"]
}

variable "away_region" {
  description = "Where copies of backups lie: Hyderabad, an opt-in region of the same country."
  type        = string
  default     = "ap-south-2"
}

variable "cidr" {
  description = "Of the VPC, a /16."
  type        = string
}

variable "operators_roles" {
  description = "ARNs of the IAM roles of people who administer the cluster."
  type        = list(string)
}

variable "images_domain" {
  description = "Name under which the app loads pictures."
  type        = string
}

variable "images_certificate_arn" {
  description = "An ACM certificate in us-east-1 for it."
  type        = string
}

variable "alarm_emails" {
  description = "Who hears of CloudWatch's alarms. Alertmanager tells of everything else."
  type        = list(string)
}

variable "pitr_days" {
  description = "To which moment the database can be restored: RDS keeps WAL for 35 days at most."
  type        = number
  default     = 35
  validation {
    condition     = var.pitr_days >= 7 && var.pitr_days <= 35
    error_message = "From 7 to 35 days."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the shop, as in ops/k8s."
  type        = string
  default     = "vurksha"
}

variable "service_account" {
  description = "Kubernetes service account of the replicas, as in ops/k8s."
  type        = string
  default     = "vurksha"
}
