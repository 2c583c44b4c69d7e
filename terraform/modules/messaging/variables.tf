variable "name" {
  description = "What the names of topics and subscriptions begin with, such as perigee; the core's PUBSUB_PREFIX."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Give name 2 to 21 lower-case letters, digits or hyphens, the first a letter, such as perigee."
  }
}

variable "project_id" {
  description = "Google Cloud project that holds topics, subscriptions and tables."
  type        = string
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether topics and the table of events refuse to be destroyed."
  type        = bool
  default     = true
}

variable "cells" {
  description = "Cell -> its region, and the address that Pub/Sub pushes its events to (https, without path), null where events are pulled."
  type = map(object({
    region   = string
    push_url = optional(string)
  }))

  validation {
    condition     = length(var.cells) > 0 && alltrue([for cell in keys(var.cells) : can(regex("^[a-z]{2,6}[0-9]{1,2}$", cell))])
    error_message = "Name at least one cell, each by two to six lower-case letters and one or two digits, such as eu1."
  }

  validation {
    condition     = alltrue([for cell in values(var.cells) : cell.push_url == null ? true : can(regex("^https://[^/]+$", cell.push_url))])
    error_message = "Give push_url as https:// and a host without a path or a slash at the end: the path is in push_path."
  }
}

variable "control_cell" {
  description = "The cell that the others follow."
  type        = string

  validation {
    condition     = contains(keys(var.cells), var.control_cell)
    error_message = "Set control_cell to one of the keys of cells."
  }
}

variable "topics" {
  description = "Topics by what they are for, and the names that follow the prefix: `topics` of terraform/contract.json."
  type = object({
    events       = string
    replication  = string
    dead-letters = string
  })

  validation {
    condition     = length(distinct(values(var.topics))) == 3
    error_message = "Give each of the three topics a name of its own."
  }
}

variable "subscriptions" {
  description = "Consumer -> its topic (a key of topics) and the cells that have it (all, control or followers): `subscriptions` of terraform/contract.json."
  type = map(object({
    topic = string
    cells = string
  }))

  validation {
    condition     = alltrue([for consumer in values(var.subscriptions) : contains(keys(var.topics), consumer.topic)])
    error_message = "Give topic as one of events, replication and dead-letters."
  }

  validation {
    condition     = alltrue([for consumer in values(var.subscriptions) : contains(["all", "control", "followers"], consumer.cells)])
    error_message = "Give cells as all, control or followers."
  }

  # Cores only work off what they are told of: a letter that no cell files is seen by nobody but who looks into Pub/Sub.
  validation {
    condition     = anytrue([for consumer in values(var.subscriptions) : consumer.topic == "dead-letters" && consumer.cells == "all"])
    error_message = "Give every cell a subscription of the dead-letter topic: one with topic dead-letters and cells all."
  }
}

variable "push" {
  description = "Who Pub/Sub pushes as (email of a service account) and the audience of its tokens (the core's PUSH_AUDIENCE); null where workers pull their events."
  type = object({
    service_account = string
    audience        = string
  })
  default = null

  validation {
    condition     = var.push == null || alltrue([for cell in values(var.cells) : cell.push_url != null])
    error_message = "Give every cell a push_url, or set push to null: events of all cells are pushed, or those of all are pulled."
  }
}

variable "push_path" {
  description = "Path that the core takes pushed events on: `paths.events` of terraform/contract.json."
  type        = string
  default     = "/internal/events"

  validation {
    condition     = startswith(var.push_path, "/")
    error_message = "Begin push_path with a slash."
  }
}

variable "publishers" {
  description = "Cell -> email of the service account that publishes for it, which is its worker's."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.cells), keys(var.publishers))) == 0 && length(setsubtract(keys(var.publishers), keys(var.cells))) == 0
    error_message = "Name one publisher for each cell, by the keys of cells."
  }
}

variable "subscribers" {
  description = "Cell -> email of the service account that pulls its events, which is its worker's; where push is null."
  type        = map(string)
  default     = {}

  validation {
    condition     = var.push != null || length(setsubtract(keys(var.cells), keys(var.subscribers))) == 0
    error_message = "Name a subscriber for each cell, by the keys of cells: nobody would take its events."
  }
}

variable "storage_regions" {
  description = "Google Cloud regions in which messages may be stored."
  type        = set(string)

  # A message with an ordering key whose nearest region is not allowed is refused, not carried elsewhere.
  validation {
    condition     = length(setsubtract([for cell in values(var.cells) : cell.region], var.storage_regions)) == 0
    error_message = "Let storage_regions hold the region of every cell: Pub/Sub refuses ordered messages that come from elsewhere."
  }
}

variable "enforce_in_transit" {
  description = "Whether messages are also handed out in storage_regions alone; whoever pulls from elsewhere has to use a regional endpoint then."
  type        = bool
  default     = true
}

variable "retention_days" {
  description = "Days that topics keep messages after they were taken, so that a subscription can be set back to a moment in them."
  type        = number
  default     = 7

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 31
    error_message = "Set retention_days to 1 to 31: Pub/Sub keeps nothing for longer."
  }
}

variable "analytics" {
  description = "BigQuery location (such as EU) of a table of all events, and days that it keeps them, 400 if unsaid; null for no table."
  type = object({
    location       = string
    retention_days = optional(number, 400)
  })
  default = null

  validation {
    condition     = var.analytics == null ? true : var.analytics.retention_days >= 1
    error_message = "Set retention_days of analytics to one or more days."
  }
}

variable "events" {
  description = "Type of event -> member of its data -> what it is (string, integer, time or json): `events` of terraform/contract.json, of which the views are made."
  type        = map(map(string))
  default     = {}

  validation {
    condition     = alltrue([for type in keys(var.events) : can(regex("^perigee\\.[a-z_]+\\.[a-z_]+\\.v[0-9]+$", type))])
    error_message = "Name events as perigee.<what>.<happened>.v<number>."
  }

  validation {
    condition = alltrue(flatten([
      for members in values(var.events) : [
        for member, kind in members :
        can(regex("^[a-z][A-Za-z0-9]*$", member)) && contains(["string", "integer", "time", "json"], kind)
      ]
    ]))
    error_message = "Give each member a lowerCamel name and one of string, integer, time and json."
  }
}
