variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "cluster_name" {
  description = "Whose pods."
  type        = string
}

variable "namespace" {
  description = "Of the shop."
  type        = string
}

variable "service_account" {
  description = "Of the replicas."
  type        = string
}

variable "secret_arns" {
  description = "What External Secrets may read."
  type        = list(string)
}

variable "secrets_key_arn" {
  description = "What it may decrypt with."
  type        = string
}

variable "bucket_arn" {
  description = "Where pictures go."
  type        = string
}

variable "images_key_arn" {
  description = "What they are encrypted with."
  type        = string
}
