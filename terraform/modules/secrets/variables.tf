variable "name" {
  description = "What the names of the secrets begin with, such as perigee-eu1."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.name))
    error_message = "name begins with a letter and has 2 to 41 lower-case letters, digits and hyphens, such as perigee-eu1."
  }
}

variable "project_id" {
  description = "The project that the secrets lie in."
  type        = string
}

variable "secrets" {
  description = "By name: who may read it (a word for each reader, and its service account's address), and the number of its value in `values`, to be raised whenever that is to be replaced; null where its value is added by hand."
  type = map(object({
    readers = map(string)
    version = optional(number)
  }))

  validation {
    condition     = alltrue([for key in keys(var.secrets) : can(regex("^[a-z][a-z0-9-]{0,62}$", key))])
    error_message = "The name of a secret has 1 to 63 lower-case letters, digits and hyphens and begins with a letter, such as database-url."
  }

  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.version == null || try(secret.version >= 1 && floor(secret.version) == secret.version, false)])
    error_message = "version counts the values of a secret: 1, 2 and so on, or null where a person adds the value."
  }

  validation {
    condition = alltrue(flatten([
      for secret in values(var.secrets) : [
        for reader in values(secret.readers) : can(regex("^[a-z][a-z0-9-]*@[a-z0-9.-]+\\.gserviceaccount\\.com$", reader))
      ]
    ]))
    error_message = "A reader is the address of one service account, such as api@project.iam.gserviceaccount.com: neither groups nor people nor everybody read a secret of a service."
  }
}

variable "values" {
  description = "The values of those secrets that have a version, by name; nothing of them is kept in plan or state."
  type        = map(string)
  ephemeral   = true
  default     = {}

  validation {
    condition     = alltrue([for key, secret in var.secrets : secret.version == null || try(length(var.values[key]) > 0, false)])
    error_message = "Each secret with a version needs its value in `values`; set version to null where a person adds it."
  }

  validation {
    condition     = alltrue([for key in keys(var.values) : try(var.secrets[key].version != null, false)])
    error_message = "Each value in `values` belongs to a secret of the same name that has a version."
  }
}

variable "regions" {
  description = "The regions that keep a copy of each secret; Google chooses where this is empty. Cannot be changed afterwards without replacing the secrets."
  type        = set(string)
  default     = []
}

variable "destroy_delay_days" {
  description = "Days in which a version that was destroyed can be had back."
  type        = number
  default     = 7

  validation {
    condition     = var.destroy_delay_days >= 1 && var.destroy_delay_days <= 365 && floor(var.destroy_delay_days) == var.destroy_delay_days
    error_message = "destroy_delay_days is a whole number from 1 to 365."
  }
}

variable "labels" {
  description = "Labels of each secret."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether an apply that would delete a secret fails."
  type        = bool
  default     = true
}
