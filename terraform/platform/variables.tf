variable "project_id" {
  description = "Google Cloud project of this deployment; one project holds one deployment."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is the id of a Google Cloud project, 6 to 30 of a-z, 0-9 and -: not its name and not its number."
  }
}

variable "name" {
  description = "What the names of all resources begin with; topics and subscriptions too. Changing it makes everything anew."
  type        = string
  default     = "perigee"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,10}[a-z0-9]$", var.name))
    error_message = "name is 2 to 12 of a-z, 0-9 and -, beginning with a letter and not ending with -: names of accounts are 30 long at the most."
  }
  validation {
    condition     = !startswith(var.name, "goog") && !startswith("${var.name}-", "gcp-")
    error_message = "Google keeps names to itself that begin with goog (topics) or gcp- (identity pools): choose another name."
  }
}

variable "environment" {
  description = "What this deployment is, such as production or staging: a label, and part of the names of the Worker and of the Upstash database. Changing it makes both anew."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$", var.environment))
    error_message = "environment is 1 to 31 of a-z, 0-9 and -, beginning with a letter and not ending with -, such as production: the Worker's name ends with it."
  }
}

variable "image" {
  description = "The core's container image by digest, such as europe-docker.pkg.dev/project/perigee/core@sha256:…"
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is to be named by its digest, …@sha256:<64 hex digits>: what a tag names can change between plan and apply. `docker buildx imagetools inspect IMAGE:TAG` prints it."
  }
}

variable "control_cell" {
  description = "The cell in which operators author content and keys, and that the others follow: a key of regions. Another one takes the subscriptions of followers from it, with what waits in them: see that none does."
  type        = string

  validation {
    condition     = contains(keys(var.regions), var.control_cell)
    error_message = "control_cell names exactly one of the keys of regions: ${join(", ", keys(var.regions))}."
  }
}

variable "regions" {
  description = "The cells, by the code that player ids carry (eu1). A key never changes: players live in it. See README.md for what each member does and costs."
  type = map(object({
    region      = string
    near        = list(string)
    subnet_cidr = string
    database = optional(object({
      tier                  = optional(string, "db-custom-2-8192")
      edition               = optional(string, "ENTERPRISE")
      disk_gb               = optional(number, 100)
      version               = optional(string, "POSTGRES_18")
      high_availability     = optional(bool, true)
      point_in_time_restore = optional(bool, true)
      replica               = optional(bool, false)
      recovery_region       = optional(string)
      instance              = optional(string)
      max_connections       = optional(number, 400)
      password_version      = optional(number, 1)
    }), {})
    cache = optional(object({
      node_type = optional(string, "STANDARD_SMALL")
      shards    = optional(number, 1)
      replicas  = optional(number, 1)
    }), {})
    api = optional(object({
      min             = optional(number, 2)
      max             = optional(number, 10)
      cpu             = optional(number, 2)
      memory          = optional(string, "1Gi")
      concurrency     = optional(number, 250)
      timeout_seconds = optional(number, 60)
    }), {})
    worker = optional(object({
      min             = optional(number, 1)
      max             = optional(number, 3)
      cpu             = optional(number, 1)
      memory          = optional(string, "1Gi")
      concurrency     = optional(number, 250)
      timeout_seconds = optional(number, 60)
    }), {})
    pool            = optional(number, 10)
    release_overlap = optional(number, 2)
  }))

  validation {
    condition     = length(var.regions) > 0 && length(var.regions) <= 20
    error_message = "regions has 1 to 20 cells."
  }
  validation {
    condition     = alltrue([for cell in keys(var.regions) : can(regex("^[a-z]{2,6}[0-9]{1,2}$", cell))])
    error_message = "A key of regions is the code of a cell, as player ids carry it: two to six letters and a number of one or two digits, such as eu1."
  }
  validation {
    condition     = alltrue([for cell in values(var.regions) : alltrue([for continent in cell.near : contains(["AF", "AN", "AS", "EU", "NA", "OC", "SA"], continent)])])
    error_message = "near lists continents as Cloudflare names them: AF, AN, AS, EU, NA, OC, SA."
  }
  validation {
    condition     = length(distinct(flatten([for cell in values(var.regions) : distinct(cell.near)]))) == length(flatten([for cell in values(var.regions) : cell.near]))
    error_message = "A continent is near to one cell: near of two cells (or of one, twice) names the same one, and one of them would have none of its players."
  }
  validation {
    condition     = alltrue([for cell in values(var.regions) : can(regex("^[a-z]+-[a-z]+[0-9]{1,2}$", cell.region))])
    error_message = "region is a region of Google Cloud such as europe-west1, not a zone of one; `gcloud compute regions list` prints them."
  }
  validation {
    condition     = length(distinct([for cell in values(var.regions) : cell.region])) == length(var.regions)
    error_message = "Two cells are in one region, and would fail together: give each cell a region of its own."
  }
}

variable "peering_cidr" {
  description = "The range that Cloud SQL takes its addresses from, /16 to /22; no subnet may overlap it."
  type        = string
  default     = "10.255.0.0/16"
}

variable "secrets_epoch" {
  description = "Raise it by 1 to have all cores start anew and read the newest versions of their secrets; see docs/runbooks/key-rotation.md."
  type        = number
  default     = 1

  validation {
    condition     = var.secrets_epoch >= 1 && floor(var.secrets_epoch) == var.secrets_epoch
    error_message = "secrets_epoch is a whole number from 1 on."
  }
}

variable "edge" {
  description = "Where players reach the deployment: Cloudflare's account and zone, the host, and the public keys (a JWKS document) with which the Worker proves to Google who it is; `npm run edge-key` makes them. Another host signs everybody out, and is served once the Worker is deployed too."
  type = object({
    account_id  = string
    zone_id     = string
    host        = string
    public_keys = string
    trace_share = optional(number, 0.01)
    owns_zone   = optional(bool, true)
    rate_limit  = optional(object({ requests = number, period_seconds = number, block_seconds = number }))
    deploy_token = optional(object({
      expires_on     = string
      allowed_ranges = optional(list(string), [])
    }))
  })

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.edge.host))
    error_message = "edge.host is a host name such as api.game.example, without https:// and without a path."
  }
  validation {
    condition     = var.edge.trace_share >= 0 && var.edge.trace_share <= 1
    error_message = "edge.trace_share is a share, 0 to 1: the Worker takes no other."
  }
  validation {
    condition     = try(length(jsondecode(var.edge.public_keys).keys) >= 1, false) && alltrue([for key in try(jsondecode(var.edge.public_keys).keys, []) : can(key.x) && !can(key.d)])
    error_message = "edge.public_keys is a JWKS document with at least one public key, as `npm run edge-key` prints it; a private one (with a member d) has no place here."
  }
}

variable "edge_cache" {
  description = "The Upstash database: the region that takes writes, those that answer reads besides, the gigabytes and the dollars a month that it is sized for."
  type = object({
    primary_region = string
    read_regions   = optional(set(string), [])
    size_gb        = optional(number, 2)
    budget         = optional(number, 200)
    auto_scale     = optional(bool, true)
    prod_pack      = optional(bool, false)
  })
}

variable "load_balancer" {
  description = "null: the Worker calls Cloud Run's own addresses. Otherwise one load balancer before all cells, at <cell>.<domain>, open to allowed_ranges only."
  type = object({
    domain         = string
    allowed_ranges = set(string)
  })
  default = null
}

variable "analytics" {
  description = "null: events stay on Pub/Sub. Otherwise they are written to BigQuery too, in this location, and kept for these days."
  type = object({
    location       = string
    retention_days = optional(number, 400)
  })
  default = null
}

variable "telemetry" {
  description = "Whether an OpenTelemetry collector beside each core hands its metrics and traces to Google Cloud, on which objectives and alerts stand."
  type        = bool
  default     = true
}

variable "objectives" {
  description = "What is promised over 28 days, by class of request (sign-in, write, read, batch): the share that is answered, and the share that is answered within so many seconds. null: the module's own."
  type = map(object({
    availability = number
    latency = object({
      share   = number
      seconds = number
    })
  }))
  default = null
}

variable "notification_emails" {
  description = "Addresses that hear of every alert."
  type        = set(string)
  default     = []
}

variable "paging_channels" {
  description = "Notification channels made elsewhere (projects/…/notificationChannels/…, such as of a pager) that hear of what cannot wait."
  type        = set(string)
  default     = []
}

variable "documentation_url" {
  description = "Where the repository's files are read, without a slash at the end; links of alerts begin with it. null: alerts name the file."
  type        = string
  default     = null
}

variable "budget" {
  description = "Billing account, what the project may cost a month in whole units, and its currency (ISO 4217); null for no alert on cost."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string, "USD")
  })
  default = null
}

variable "deletion_protection" {
  description = "Whether databases, secrets and services refuse to be deleted. To take a deployment down, apply with false first."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of every resource that takes labels."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for label, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", label)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "A label is up to 63 of a-z, 0-9, _ and -, and begins with a letter; its value is the same, and may begin with any of them."
  }
}
