variable "project_id" {
  description = "The project that the network is in."
  type        = string
}

variable "name" {
  description = "What the names of the deployment's resources begin with, such as perigee."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "name begins with a letter and has 2 to 21 lower-case letters, digits and hyphens, such as perigee."
  }
}

variable "labels" {
  description = "Labels of what takes labels: the reserved range."
  type        = map(string)
  default     = {}
}

variable "regions" {
  description = "The cells, by their codes: the region of each, and the range of its subnet. A running core takes two addresses, so that a /24 is enough for 120 instances."
  type        = map(object({ region = string, subnet_cidr = string }))

  validation {
    condition     = length(var.regions) > 0
    error_message = "regions names at least one cell, such as { eu1 = { region = \"europe-west1\", subnet_cidr = \"10.0.0.0/24\" } }."
  }
  validation {
    # cidrhost(…, 0) is the address with all bits behind the prefix cleared; IPv6 has other words for it.
    condition     = alltrue([for region in values(var.regions) : can(regex("^[0-9.]+/[0-9]+$", region.subnet_cidr)) && try(cidrhost(region.subnet_cidr, 0) == split("/", region.subnet_cidr)[0], false)])
    error_message = "Each subnet_cidr is a range of IPv4 that begins where its prefix says, such as 10.0.0.0/24 and not 10.0.0.5/24."
  }
  validation {
    condition     = alltrue([for region in values(var.regions) : can(regex(local.private_range, region.subnet_cidr))])
    error_message = "Each subnet_cidr lies in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16: Cloud SQL answers no other address, and Google makes no subnet of some."
  }
  validation {
    condition     = alltrue([for region in values(var.regions) : try(tonumber(split("/", region.subnet_cidr)[1]) <= 26, false)])
    error_message = "Each subnet_cidr is a /26 or larger (a smaller number): Cloud Run's Direct VPC egress takes no smaller subnet."
  }
}

variable "peering_cidr" {
  description = "The range that Cloud SQL takes its addresses from, disjoint from the subnets. It cannot be changed once there is a database in it."
  type        = string

  validation {
    condition     = can(regex("^[0-9.]+/[0-9]+$", var.peering_cidr)) && try(cidrhost(var.peering_cidr, 0) == split("/", var.peering_cidr)[0], false)
    error_message = "peering_cidr is a range of IPv4 that begins where its prefix says, such as 10.255.0.0/16."
  }
  validation {
    condition     = can(regex(local.private_range, var.peering_cidr))
    error_message = "peering_cidr lies in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16: Google reserves no other range."
  }
  validation {
    # A recovery replica lies in a region in which there need be no cell.
    condition     = try(pow(2, 24 - tonumber(split("/", var.peering_cidr)[1])), 0) >= 2 * length(var.regions)
    error_message = "peering_cidr has to hold two /24 for each cell, one for its database and one for a replica in another region: make it a /${24 - ceil(log(2 * max(length(var.regions), 1), 2))} or larger (a smaller number)."
  }
}
