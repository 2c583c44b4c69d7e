variable "name" {
  description = "The deployment, such as perigee: the label `cluster` of its metrics, and what names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Give name 2 to 21 lower-case letters, digits or hyphens, the first a letter, such as perigee."
  }
}

variable "project_id" {
  description = "Google Cloud project that the cores report to."
  type        = string
}

variable "labels" {
  description = "Labels of objectives, alerts and channels."
  type        = map(string)
  default     = {}
}

variable "cells" {
  description = "Cell -> its region; the cell is the label `namespace` of its metrics."
  type        = map(object({ region = string }))

  validation {
    condition     = length(var.cells) > 0
    error_message = "Name at least one cell."
  }
}

variable "alerts" {
  description = "Rules, as infra/alerts.json has them: a condition is one of below, above, perSecondAbove and absentSeconds; seconds where it says so."
  type = list(object({
    name       = string
    metric     = string
    attributes = map(string)
    condition = object({
      below          = optional(number)
      above          = optional(number)
      perSecondAbove = optional(number)
      absentSeconds  = optional(number)
    })
    forSeconds = number
    severity   = string
    runbook    = string
  }))

  validation {
    condition     = alltrue([for rule in var.alerts : contains(keys(jsondecode(file("${path.module}/metrics.json"))), rule.metric)])
    error_message = "A rule asks for a metric that metrics.json does not name."
  }

  validation {
    condition     = alltrue([for rule in var.alerts : length([for value in values(rule.condition) : value if value != null]) == 1])
    error_message = "Give each rule one of below, above, perSecondAbove and absentSeconds."
  }

  validation {
    condition     = alltrue([for rule in var.alerts : contains(["page", "ticket"], rule.severity)])
    error_message = "Give severity as page (now) or ticket (today)."
  }

  validation {
    condition     = length(distinct([for rule in var.alerts : rule.name])) == length(var.alerts)
    error_message = "Give each rule a name of its own."
  }
}

variable "objectives" {
  description = "Class of requests -> share of them that is answered, and the share that is answered within so many seconds, both over 28 days."
  type = map(object({
    availability = number
    latency = object({
      share   = number
      seconds = number
    })
  }))
  nullable = false
  default = {
    sign-in = { availability = 0.999, latency = { share = 0.99, seconds = 1 } }
    write   = { availability = 0.999, latency = { share = 0.99, seconds = 0.5 } }
    read    = { availability = 0.999, latency = { share = 0.99, seconds = 0.25 } }
    batch   = { availability = 0.99, latency = { share = 0.99, seconds = 5 } }
  }

  validation {
    condition     = length(setsubtract(keys(var.objectives), ["sign-in", "write", "read", "batch"])) == 0
    error_message = "Name classes that the core knows: sign-in, write, read and batch."
  }

  validation {
    condition = alltrue(flatten([
      for objective in values(var.objectives) : [
        for share in [objective.availability, objective.latency.share] : share > 0 && share <= 0.999
      ]
    ]))
    error_message = "Give shares above 0 and up to 0.999, which is the most that Cloud Monitoring takes."
  }

  # Between two bounds of the histogram Cloud Monitoring would guess.
  validation {
    condition = alltrue([
      for objective in values(var.objectives) :
      contains([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10], objective.latency.seconds)
    ])
    error_message = "Give seconds as one of the bounds that the core measures by: 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5 or 10."
  }
}

variable "notification_emails" {
  description = "Addresses that hear of every alert."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.notification_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "Give addresses such as on-call@example.com."
  }
}

variable "paging_channels" {
  description = "Notification channels made elsewhere (projects/…/notificationChannels/…, such as of a pager) that hear of what cannot wait."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for channel in var.paging_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "Give channels by their full names, projects/<project>/notificationChannels/<id>."
  }
}

variable "documentation_url" {
  description = "Where the repository's files are read, without a slash at the end, such as https://github.com/<owner>/<repository>/blob/main; links of alerts begin with it. Null: alerts name the file."
  type        = string
  default     = null

  validation {
    condition     = var.documentation_url == null ? true : can(regex("^https://.*[^/]$", var.documentation_url))
    error_message = "Give an https address without a slash at the end."
  }
}

variable "dead_letter_subscription" {
  description = "Name of the subscription in which dead letters wait for people."
  type        = string
}

variable "lag_seconds" {
  description = "Age in seconds of a subscription's oldest message above which somebody is told."
  type        = number
  default     = 300

  validation {
    condition     = var.lag_seconds >= 60
    error_message = "Set lag_seconds to 60 or more: Pub/Sub tells the age once a minute."
  }
}

variable "budget" {
  description = "Billing account (XXXXXX-XXXXXX-XXXXXX), what the project may cost a month in whole units, and its currency (ISO 4217); null for no alert on cost."
  type = object({
    billing_account = string
    amount          = number
    currency        = string
  })
  default = null

  validation {
    condition     = var.budget == null ? true : var.budget.amount > 0 && floor(var.budget.amount) == var.budget.amount
    error_message = "Give the amount of the budget in whole units above zero."
  }

  validation {
    condition     = var.budget == null ? true : can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && can(regex("^[A-Z]{3}$", var.budget.currency))
    error_message = "Give billing_account as XXXXXX-XXXXXX-XXXXXX, and the currency by its three letters; it has to be the account's own."
  }
}
