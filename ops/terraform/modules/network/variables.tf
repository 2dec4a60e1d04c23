variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "Part of the endpoints' names."
  type        = string
}

variable "cidr" {
  description = "A /16."
  type        = string
}

variable "key_arn" {
  description = "Encrypts the flow log."
  type        = string
}

variable "zones" {
  description = "Three, by name."
  type        = list(string)
  validation {
    condition     = length(var.zones) == 3
    error_message = "Three zones: RabbitMQ has a node in each."
  }
}
