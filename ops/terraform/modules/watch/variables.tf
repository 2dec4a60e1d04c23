variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "emails" {
  description = "Who is told."
  type        = list(string)
}

variable "key_arn" {
  description = "Encrypts what is told; its policy lets CloudWatch use it."
  type        = string
}

variable "logs_key_arn" {
  description = "Encrypts lines."
  type        = string
}

variable "database_id" {
  description = "The primary's identifier."
  type        = string
}

variable "replica_ids" {
  description = "Identifiers of the read-only copies."
  type        = list(string)
}

variable "cache_ids" {
  description = "The cache's nodes."
  type        = list(string)
}

variable "broker_name" {
  description = "As CloudWatch knows it."
  type        = string
}

variable "storage_gb" {
  description = "The database's disk."
  type        = number
}
