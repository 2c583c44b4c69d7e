variable "project_id" {
  description = "The project that the instance is in."
  type        = string
}

variable "name" {
  description = "What the names of the cell's resources begin with: the deployment and the cell, such as perigee-eu1."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name begins with a letter and has 3 to 40 lower-case letters, digits and hyphens, such as perigee-eu1."
  }
}

variable "region" {
  description = "The region of the cell, such as europe-west1."
  type        = string
}

variable "labels" {
  description = "Labels of the instance and its policy."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether an apply that would delete the instance fails. What it holds can be lost; for a moment, limits would be counted by each core."
  type        = bool
  default     = true
}

variable "network_id" {
  description = "The network, as projects/<project>/global/networks/<name>."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/global/networks/[^/]+$", var.network_id))
    error_message = "network_id is projects/<project>/global/networks/<name>, as the network module's output has it; Memorystore takes no other form."
  }
}

variable "subnet_id" {
  description = "The cell's subnet, in which the instance gets two addresses."
  type        = string
}

variable "node_type" {
  description = "What a node is, by Google's names; SHARED_CORE_NANO (1.4 GB) is without a promise of availability."
  type        = string
  default     = "STANDARD_SMALL"

  validation {
    condition     = contains(local.node_types, var.node_type)
    error_message = "node_type is one of ${join(", ", local.node_types)}."
  }
}

locals {
  node_types = [
    "SHARED_CORE_NANO", "CUSTOM_PICO", "CUSTOM_MICRO", "CUSTOM_MINI", "STANDARD_SMALL", "STANDARD_LARGE",
    "HIGHCPU_MEDIUM", "HIGHMEM_MEDIUM", "HIGHMEM_XLARGE", "HIGHMEM_2XLARGE",
  ]
}

variable "shards" {
  description = "Over how many shards the keys are spread; more of them is a change in place."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && var.shards <= 250 && floor(var.shards) == var.shards
    error_message = "shards is a whole number from 1 to 250."
  }
}

variable "replicas" {
  description = "Nodes that stand by, for each shard; with 0 the cell is without its cache while a node is replaced."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas is a whole number from 0 to 5."
  }
}

variable "engine_version" {
  description = "The version of Valkey, by Google's name; a later one is a change in place, an earlier one is not to be had."
  type        = string
  default     = "VALKEY_8_0"

  validation {
    condition     = can(regex("^VALKEY_[0-9]+_[0-9]+$", var.engine_version))
    error_message = "engine_version is a version of Valkey by Google's name, such as VALKEY_8_0."
  }
}

variable "maintenance_window" {
  description = "The day, and the hour in UTC, in which Google may replace nodes; give cells different ones."
  type        = object({ day = string, hour = number })
  default     = { day = "TUESDAY", hour = 4 }

  validation {
    condition     = contains(["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"], var.maintenance_window.day)
    error_message = "maintenance_window.day is a day of the week in English capitals, such as TUESDAY."
  }
  validation {
    condition     = contains(range(24), var.maintenance_window.hour)
    error_message = "maintenance_window.hour is a whole hour from 0 to 23, in UTC."
  }
}
