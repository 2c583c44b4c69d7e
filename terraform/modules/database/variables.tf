variable "project_id" {
  description = "The project that the instances are in."
  type        = string
}

variable "name" {
  description = "What the names of the instances begin with: the deployment and the cell, such as perigee-eu1. The name of a deleted instance is not free for a week."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name begins with a letter and has 3 to 40 lower-case letters, digits and hyphens, such as perigee-eu1."
  }
}

variable "instance" {
  description = "The name of the primary where it is another than <name>-postgres: of a replica that was promoted. Null for <name>-postgres."
  type        = string
  default     = null

  validation {
    condition     = var.instance == null ? true : can(regex("^[a-z][a-z0-9-]{1,88}[a-z0-9]$", var.instance))
    error_message = "instance is the name of an instance of Cloud SQL, such as perigee-eu1-postgres-dr: without project and region."
  }
}

variable "region" {
  description = "The region of the cell, such as europe-west1."
  type        = string
}

variable "labels" {
  description = "Labels of the instances."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether nobody can delete the instances, neither Terraform nor anybody else. To take one down, apply false first."
  type        = bool
  default     = true
}

variable "private_network" {
  description = "The network in which Cloud SQL can take addresses: the network module's output of that name, which waits until it can."
  type        = string
}

variable "database_version" {
  description = "The version of Postgres, by Google's name; a later one is a change in place with minutes of downtime."
  type        = string
  default     = "POSTGRES_18"

  validation {
    condition     = can(regex("^POSTGRES_(1[5-9]|[2-9][0-9])$", var.database_version))
    error_message = "database_version is POSTGRES_15 or later, such as POSTGRES_18."
  }
}

variable "edition" {
  description = "ENTERPRISE, or ENTERPRISE_PLUS for shorter maintenance and up to 35 days of logs at about a third more."
  type        = string
  default     = "ENTERPRISE"
  nullable    = false

  validation {
    condition     = contains(["ENTERPRISE", "ENTERPRISE_PLUS"], var.edition)
    error_message = "edition is ENTERPRISE or ENTERPRISE_PLUS."
  }
}

variable "tier" {
  description = "The machine of each instance, by Google's name, such as db-custom-2-8192 (2 cores, 8,192 MB)."
  type        = string

  validation {
    condition     = can(regex(var.edition == "ENTERPRISE" ? "^db-(custom-[0-9]+-[0-9]+|g1-small|f1-micro)$" : "^db-perf-optimized-N-[0-9]+$", var.tier))
    error_message = "tier does not go with edition: ENTERPRISE takes db-custom-<cores>-<MB>, such as db-custom-2-8192, and ENTERPRISE_PLUS takes db-perf-optimized-N-<cores>."
  }
}

variable "disk_gb" {
  description = "The disk to begin with, in GB; it grows by itself, and a change of this does nothing afterwards."
  type        = number
  default     = 100

  validation {
    condition     = var.disk_gb >= 10 && var.disk_gb <= 65536 && floor(var.disk_gb) == var.disk_gb
    error_message = "disk_gb is a whole number from 10 to 65,536."
  }
}

variable "high_availability" {
  description = "Whether a second zone stands by, which doubles the cost of the primary and makes the loss of a zone an outage of about a minute."
  type        = bool
  default     = true
}

variable "point_in_time_restore" {
  description = "Whether the database can be restored to any second of the last log_retention_days; else to the last nightly backup."
  type        = bool
  default     = true

  validation {
    condition     = var.point_in_time_restore || !var.high_availability
    error_message = "Cloud SQL has no second zone without the logs of point-in-time restore: set point_in_time_restore to true, or high_availability to false."
  }
}

variable "log_retention_days" {
  description = "How far back point-in-time restore reaches, in days."
  type        = number
  default     = 7

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= (var.edition == "ENTERPRISE" ? 7 : 35) && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days is a whole number from 1 to ${var.edition == "ENTERPRISE" ? "7; 35 with edition ENTERPRISE_PLUS" : "35"}."
  }
}

variable "backups_retained" {
  description = "How many nightly backups are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.backups_retained >= var.log_retention_days && var.backups_retained <= 365 && floor(var.backups_retained) == var.backups_retained
    error_message = "backups_retained is a whole number from log_retention_days (${var.log_retention_days}: logs are played from a backup on) to 365."
  }
}

variable "backup_location" {
  description = "The region, or the group of regions such as eu, in which backups lie; null for the group that the region belongs to."
  type        = string
  default     = null
}

variable "replica" {
  description = "Whether a read replica in the same region answers cached reads (DATABASE_REPLICA_URL)."
  type        = bool
  default     = false
}

variable "dr_region" {
  description = "The region of a replica that can be promoted when the cell's own is lost; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.dr_region == null || var.dr_region != var.region
    error_message = "dr_region is lost together with region ${var.region}: name another."
  }
}

variable "max_connections" {
  description = "Connections that each instance takes; all cores of the cell may have 0.8 of what is not reserved."
  type        = number
  default     = 400

  validation {
    condition     = var.max_connections >= 50 && var.max_connections <= 10000 && floor(var.max_connections) == var.max_connections
    error_message = "max_connections is a whole number from 50 to 10,000; each takes some 10 MB of the tier's memory."
  }
}

variable "flags" {
  description = "Further settings of Postgres by Cloud SQL's names, such as { work_mem = \"16384\" }, for all instances; they win over those of this module."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.flags), "max_connections")
    error_message = "max_connections is an input of its own, which others are compared with."
  }
}

variable "password" {
  description = "The password of the core's account. It goes to Cloud SQL and is kept nowhere: neither in the plan nor in the state."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.password) >= 24
    error_message = "password has at least 24 characters; an ephemeral random_password of 32 is one."
  }
}

variable "password_version" {
  description = "Raise it by 1 to have the password of this apply take the place of the one before."
  type        = number
  default     = 1

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "password_version is a whole number from 1 on."
  }
}

variable "maintenance_window" {
  description = "The day (1 is Monday) and the hour in UTC in which Google may restart the primary; give cells different ones."
  type        = object({ day = number, hour = number })
  default     = { day = 2, hour = 4 }

  validation {
    condition     = contains(range(1, 8), var.maintenance_window.day) && contains(range(24), var.maintenance_window.hour)
    error_message = "maintenance_window has a day from 1 (Monday) to 7 and an hour from 0 to 23, in UTC."
  }
}
