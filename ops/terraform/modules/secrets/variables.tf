variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "key_arn" {
  description = "Encrypts them."
  type        = string
}
