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
  description = "A primary and its copies in other zones."
  type        = object({ node_type = string, nodes = number })
  validation {
    condition     = var.size.nodes >= 2
    error_message = "A fail-over needs two nodes."
  }
}

variable "key_arn" {
  description = "Encrypts what is on disk."
  type        = string
}

variable "logs_key_arn" {
  description = "Encrypts the log."
  type        = string
}

variable "auth_token" {
  description = "The first one; rotated away at once."
  type        = string
  sensitive   = true
}
