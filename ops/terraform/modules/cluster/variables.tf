variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "kubernetes_version" {
  description = "As ops/k8s is checked against."
  type        = string
  default     = "1.32"
}

variable "vpc_id" {
  description = "Where the nodes live."
  type        = string
}

variable "subnet_ids" {
  description = "Private, one a zone."
  type        = list(string)
}

variable "nodes" {
  description = "How many of what; ARM."
  type = object({
    instance_type = string
    minimum       = number
    desired       = number
    maximum       = number
  })
}

variable "secrets_key_arn" {
  description = "Encrypts Kubernetes secrets."
  type        = string
}

variable "logs_key_arn" {
  description = "Encrypts the control plane's log."
  type        = string
}

variable "operators_roles" {
  description = "IAM roles that administer the cluster."
  type        = list(string)
}
