variable "name" {
  description = "What the names of the parts begin with: the deployment, such as perigee."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "name begins with a letter and has 2 to 21 lower-case letters, digits and hyphens, such as perigee."
  }
}

variable "project_id" {
  description = "The project that the load balancer lies in, the same as the services'."
  type        = string
}

variable "cells" {
  description = "By the code of the cell: its region, and the name of its Cloud Run service."
  type        = map(object({ region = string, service = string }))

  validation {
    condition     = length(var.cells) > 0
    error_message = "cells names at least one cell; a deployment without a load balancer does not call this module."
  }

  validation {
    condition     = alltrue([for cell in keys(var.cells) : can(regex("^[a-z][a-z0-9]{1,15}$", cell))])
    error_message = "The code of a cell is 2 to 16 lower-case letters and digits, such as eu1: it is part of a host's name."
  }
}

variable "domain" {
  description = "The domain below which each cell has a host, such as core.example.com: eu1.core.example.com. It is proved to be yours by one DNS record, which `dns_authorization` names."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain is a domain in lower case without a wildcard or a final dot, such as core.example.com."
  }
}

variable "allowed_ranges" {
  description = "The networks that requests may come from, in CIDR notation: those that Cloudflare publishes. Everybody else gets 403 before Cloud Run hears of it."
  type        = set(string)

  validation {
    condition     = length(var.allowed_ranges) > 0 && alltrue([for range in var.allowed_ranges : can(cidrhost(range, 0))])
    error_message = "allowed_ranges has the networks that the edge's requests come from, each in CIDR notation such as 173.245.48.0/20."
  }

  validation {
    condition     = alltrue([for range in var.allowed_ranges : !can(regex("/[0-7]$", range))])
    error_message = "A network of allowed_ranges is an eighth or more of the internet: name those that the edge's requests come from."
  }
}

variable "log_sample_rate" {
  description = "The share of requests that are logged, 0 to 1."
  type        = number
  default     = 0.01

  validation {
    condition     = var.log_sample_rate >= 0 && var.log_sample_rate <= 1
    error_message = "log_sample_rate is 0 to 1."
  }
}

variable "labels" {
  description = "Labels of all parts that take them."
  type        = map(string)
  default     = {}
}
