variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Of the security group."
  type        = string
}

variable "subnet_ids" {
  description = "Without a way out."
  type        = list(string)
}

variable "from" {
  description = "Security group of whoever may connect."
  type        = string
}

variable "size" {
  description = "Class, disk in GB and the most that it grows to by itself, read-only copies."
  type = object({
    instance_class = string
    storage_gb     = number
    maximum_gb     = number
    replicas       = number
  })
}

variable "pitr_days" {
  description = "For how long any moment can be restored."
  type        = number
}

variable "key_arn" {
  description = "Encrypts disks, snapshots and Performance Insights."
  type        = string
}

variable "secrets_key_arn" {
  description = "Encrypts the master's password."
  type        = string
}

variable "logs_key_arn" {
  description = "Encrypts the log."
  type        = string
}

variable "away_key_arn" {
  description = "Encrypts copies in the other region."
  type        = string
}

variable "delete_protected" {
  description = "Refuses to be destroyed."
  type        = bool
}
