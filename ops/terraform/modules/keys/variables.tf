variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "Of these keys: CloudWatch Logs has a principal for each."
  type        = string
}

variable "purposes" {
  description = "Kinds of data."
  type        = list(string)
  default     = ["data", "secrets", "images", "logs"]
}
