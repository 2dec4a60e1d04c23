variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "domain" {
  description = "Of the pictures."
  type        = string
}

variable "certificate_arn" {
  description = "In us-east-1, for the domain."
  type        = string
}

variable "emails" {
  description = "Who is told when pictures cannot be had."
  type        = list(string)
}

variable "key_arn" {
  description = "Encrypts the bucket."
  type        = string
}
