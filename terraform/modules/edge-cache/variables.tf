variable "name" {
  description = "What the database is named after, unique in Upstash's account, such as perigee-production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,44}$", var.name))
    error_message = "name must be 2 to 45 lower-case letters, digits or hyphens and begin with a letter: it becomes a part of every name."
  }
}

variable "primary_region" {
  description = "Upstash region that takes writes: the one nearest to the control cell. Changing it makes a new, empty database."
  type        = string

  validation {
    condition     = contains(local.known_regions, var.primary_region)
    error_message = "primary_region must be a region of a global Upstash database: ${join(", ", local.known_regions)}."
  }
}

variable "read_regions" {
  description = "Upstash regions that answer reads beside the primary: those nearest to the players."
  type        = set(string)
  default     = []

  validation {
    condition     = !contains(var.read_regions, var.primary_region)
    error_message = "read_regions must not hold primary_region, which answers reads as it is: take it out of read_regions."
  }

  validation {
    condition     = alltrue([for region in var.read_regions : contains(local.known_regions, region)])
    error_message = "read_regions must be regions of a global Upstash database: ${join(", ", local.known_regions)}."
  }
}

variable "size_gb" {
  description = "Data that the plan of the database holds, gigabytes. Edges stop to fill it at four fifths of the keys that this makes."
  type        = number
  default     = 2

  validation {
    condition     = var.size_gb >= 0.25 && var.size_gb <= 10000
    error_message = "size_gb must be 0.25 to 10000 gigabytes, as the plan of the database says."
  }
}

variable "budget" {
  description = "What the database may cost in a month, US dollars. Upstash throttles it until the next month once that is spent."
  type        = number
  default     = 200

  validation {
    condition     = var.budget >= 20 && floor(var.budget) == var.budget
    error_message = "budget must be a whole number of US dollars, 20 or more: a throttled database answers no edge."
  }
}

variable "auto_scale" {
  description = "Whether Upstash moves the database to a higher plan by itself when it meets a quota, within the budget."
  type        = bool
  default     = true
}

variable "prod_pack" {
  description = "Whether the database has Upstash's Prod Pack (uptime agreement, encryption at rest, metrics), at a fixed price a month."
  type        = bool
  default     = false
}
