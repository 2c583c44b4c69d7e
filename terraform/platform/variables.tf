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
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.name))
    error_message = "name is 2 to 12 of a-z, 0-9 and -, beginning with a letter: names of accounts are 30 long at the most."
  }
}

variable "environment" {
  description = "What this deployment is, such as production or staging: a label, and an attribute of its telemetry."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "environment is 1 to 31 of a-z, 0-9 and -, beginning with a letter, such as production."
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
  description = "The cell in which operators author content and keys, and that the others follow: a key of regions."
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
      high_availability     = optional(bool, true)
      point_in_time_restore = optional(bool, true)
      replica               = optional(bool, false)
      recovery_region       = optional(string)
      max_connections       = optional(number, 400)
      password_version      = optional(number, 1)
    }), {})
    cache = optional(object({
      node_type = optional(string, "SHARED_CORE_NANO")
      shards    = optional(number, 1)
      replicas  = optional(number, 1)
    }), {})
    api = optional(object({
      min         = optional(number, 2)
      max         = optional(number, 10)
      cpu         = optional(number, 2)
      memory      = optional(string, "1Gi")
      concurrency = optional(number, 250)
    }), {})
    worker = optional(object({
      min         = optional(number, 1)
      max         = optional(number, 3)
      cpu         = optional(number, 1)
      memory      = optional(string, "1Gi")
      concurrency = optional(number, 250)
    }), {})
    pool = optional(number, 16)
  }))

  validation {
    condition     = length(var.regions) > 0 && length(var.regions) <= 20
    error_message = "regions has 1 to 20 cells."
  }
  validation {
    condition     = alltrue([for cell in keys(var.regions) : can(regex("^[a-z]{2}[1-9][0-9]{0,2}$", cell))])
    error_message = "A key of regions is the code of a cell: two letters and a number from 1 on, such as eu1."
  }
  validation {
    condition     = alltrue([for cell in values(var.regions) : alltrue([for continent in cell.near : contains(["AF", "AN", "AS", "EU", "NA", "OC", "SA"], continent)])])
    error_message = "near lists continents as Cloudflare names them: AF, AN, AS, EU, NA, OC, SA."
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
}

variable "edge" {
  description = "Where players reach the deployment: Cloudflare's account and zone, the host, and the public keys (a JWKS document) with which the Worker proves to Google who it is; `npm run edge-key` makes them."
  type = object({
    account_id  = string
    zone_id     = string
    host        = string
    public_keys = string
    trace_share = optional(number, 0.01)
  })

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.edge.host))
    error_message = "edge.host is a host name such as api.game.example, without https:// and without a path."
  }
  validation {
    condition     = try(length(jsondecode(var.edge.public_keys).keys) >= 1, false) && alltrue([for key in try(jsondecode(var.edge.public_keys).keys, []) : !contains(keys(key), "d")])
    error_message = "edge.public_keys is a JWKS document with at least one public key, as `npm run edge-key` prints it; a private one (with a member d) has no place here."
  }
}

variable "edge_cache" {
  description = "The Upstash database: the region that takes writes, those that answer reads besides, and the bytes that it is sized for."
  type = object({
    primary_region = string
    read_regions   = optional(list(string), [])
    keys_max       = optional(number, 2000000)
  })
}

variable "load_balancer" {
  description = "null: the Worker calls Cloud Run's own addresses. Otherwise one load balancer before all cells, at <cell>.<domain>, open to allowed_ranges only."
  type = object({
    domain         = string
    allowed_ranges = list(string)
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

variable "collector" {
  description = "null: no telemetry. Otherwise the image, by digest, of the OpenTelemetry collector that runs beside each core."
  type = object({
    image = string
  })
  default = null
}

variable "objectives" {
  description = "What is promised, by class of request: the share that is answered (availability), and the share of those that is answered within latency_ms."
  type = map(object({
    availability = number
    latency_ms   = number
    within       = number
  }))
  default = {
    sign-in = { availability = 0.9995, latency_ms = 500, within = 0.99 }
    write   = { availability = 0.999, latency_ms = 250, within = 0.99 }
    read    = { availability = 0.999, latency_ms = 100, within = 0.99 }
  }
}

variable "notification_emails" {
  description = "Who is told of alerts."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "null: nobody is told of costs. Otherwise the billing account, and the amount a month at whose half, nine tenths and whole somebody is told."
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
}
