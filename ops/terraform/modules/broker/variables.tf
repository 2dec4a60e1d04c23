variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Of the security group."
  type        = string
}

variable "subnet_ids" {
  description = "One a zone, without a way out."
  type        = list(string)
}

variable "from" {
  description = "Security group of whoever may connect."
  type        = string
}

variable "size" {
  description = "Of each of the three nodes."
  type        = object({ instance_type = string })
}

variable "key_arn" {
  description = "Encrypts what is on disk."
  type        = string
}

variable "password" {
  description = "The first one; changed at once."
  type        = string
  sensitive   = true
}
