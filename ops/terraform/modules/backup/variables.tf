variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "key_arn" {
  description = "Encrypts the vault."
  type        = string
}

variable "away_key_arn" {
  description = "Encrypts the one in the other region."
  type        = string
}

variable "resource_arns" {
  description = "What is kept."
  type        = list(string)
}

variable "delete_protected" {
  description = "Locks the vaults."
  type        = bool
}
