variable "name" {
  description = "What the names of the cell's services begin with: the deployment and the cell, such as perigee-eu1."
  type        = string

  validation {
    # With -worker and a project's number behind it, it has to fit the 63 characters of a host's label.
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name begins with a letter and has 3 to 40 lower-case letters, digits and hyphens, such as perigee-eu1."
  }
}

variable "project_id" {
  description = "The project that the services run in."
  type        = string
}

variable "region" {
  description = "The region of the cell, such as europe-west1."
  type        = string
}

variable "labels" {
  description = "Labels of the services and the job."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether an apply that would delete a service fails. The job has none: it is made anew by every release."
  type        = bool
  default     = true
}

variable "image" {
  description = "The core's image, by digest, such as europe-docker.pkg.dev/project/perigee/core@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[^@]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is named by its digest (…@sha256: and 64 hexadecimal digits): a tag can be moved, so that two instances of one revision run different code. `gcloud artifacts docker images describe IMAGE:TAG` prints the digest."
  }
}

variable "contract" {
  description = "What the code says of itself, the content of terraform/contract.json: the names of its settings, the paths that probes ask, and the connections that a process opens beside its pool."
  type = object({
    settings              = object({ required = list(string), optional = list(string), secret = list(string) })
    paths                 = object({ live = string, ready = string })
    connectionsBesidePool = number
  })

  validation {
    condition     = startswith(var.contract.paths.live, "/") && startswith(var.contract.paths.ready, "/") && var.contract.paths.live != var.contract.paths.ready
    error_message = "paths.live and paths.ready are two paths that begin with /: one says that the process lives, the other that it should get requests."
  }
}

variable "service_accounts" {
  description = "The addresses of the accounts that the two services run as, and the job."
  type        = object({ api = string, worker = string, migrate = string })

  validation {
    condition     = length(toset(values(var.service_accounts))) == 3
    error_message = "api, worker and migrate run as three accounts, each with no more than its own rights."
  }
}

variable "environment" {
  description = "The core's settings that are no secrets, by name, for both services; ROLE, PORT, DATABASE_POOL and INSTANCES_MAX are set here."
  type        = map(string)

  validation {
    condition     = length(setintersection(keys(var.environment), var.contract.settings.secret)) == 0
    error_message = "Whoever may see the service sees its environment: give ${join(", ", setintersection(keys(var.environment), var.contract.settings.secret))} in `secrets`."
  }

  validation {
    condition     = alltrue([for value in values(var.environment) : !can(regex("://[^/@]*:[^/@]+@", value))])
    error_message = "An address in `environment` has a password in it: give it in `secrets`."
  }

  validation {
    condition     = length(setintersection(keys(var.environment), keys(local.settings.api))) == 0
    error_message = "${join(", ", setintersection(keys(var.environment), keys(local.settings.api)))} is set by this module: by database_pool, by the numbers of instances, or by Cloud Run."
  }

  validation {
    condition     = alltrue([for key in keys(var.environment) : contains(local.known, key) || can(regex("^(OTEL|NODE)_", key))])
    error_message = "The core has no setting ${join(", ", [for key in keys(var.environment) : key if !contains(local.known, key) && !can(regex("^(OTEL|NODE)_", key))])}: see core/config.ts."
  }

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*$", var.environment.CELL)) && endswith(var.name, "-${try(var.environment.CELL, "")}")
    error_message = "CELL is the code of this cell, such as eu1, and `name` ends with it."
  }
}

variable "secrets" {
  description = "The core's settings that are secrets, by name, for each account: the secret's resource name and the version to read (a number, or latest)."
  type = object({
    api     = map(object({ secret = string, version = string }))
    worker  = map(object({ secret = string, version = string }))
    migrate = map(object({ secret = string, version = string }))
  })

  validation {
    condition     = length(setsubtract(concat(keys(var.secrets.api), keys(var.secrets.worker)), var.contract.settings.secret)) == 0
    error_message = "${join(", ", setsubtract(concat(keys(var.secrets.api), keys(var.secrets.worker)), var.contract.settings.secret))} is no secret of the core: give it in `environment`."
  }

  validation {
    condition = alltrue([
      for role in ["api", "worker"] :
      length(setsubtract(var.contract.settings.required, concat(keys(var.secrets[role]), keys(var.environment), keys(local.settings[role])))) == 0
    ])
    error_message = "The core does not start without ${join(", ", setsubtract(var.contract.settings.required, concat(tolist(setintersection(keys(var.secrets.api), keys(var.secrets.worker))), keys(var.environment), keys(local.settings.api))))}: give it in `environment` or `secrets`."
  }

  validation {
    condition     = toset(keys(var.secrets.migrate)) == toset(["DATABASE_URL", "MASTER_KEYS"])
    error_message = "A migration reads DATABASE_URL and MASTER_KEYS, with which it encrypts the first key to sign with, and no other secret."
  }

  validation {
    condition = alltrue(flatten([
      for secrets in values(var.secrets) : [for secret in values(secrets) : can(regex("^([1-9][0-9]*|latest)$", secret.version))]
    ]))
    error_message = "The version of a secret is a number, or latest where a person adds its values."
  }
}

variable "database_pool" {
  description = "Connections that each process opens to each Postgres at the most; DATABASE_POOL."
  type        = number
  default     = 10

  validation {
    condition     = var.database_pool >= 2 && var.database_pool <= 100 && floor(var.database_pool) == var.database_pool
    error_message = "database_pool is a whole number from 2 to 100."
  }
}

variable "max_connections" {
  description = "Connections that the cell's Postgres takes: its flag max_connections, and its replica's."
  type        = number

  validation {
    condition     = 10 * local.connections <= local.connections_tenths * (var.max_connections - local.connections_reserved)
    error_message = "The pools do not fit Postgres: ${local.instances_max} instances (${var.api.max} of api and ${var.worker.max} of worker, times release_overlap ${var.release_overlap}) x (database_pool ${var.database_pool} + ${var.contract.connectionsBesidePool}) = ${local.connections} connections, and 0.8 x (max_connections ${var.max_connections} - ${local.connections_reserved} reserved) = ${floor(local.connections_tenths * (var.max_connections - local.connections_reserved) / 10)}. Raise max_connections to ${ceil(10 * local.connections / local.connections_tenths) + local.connections_reserved}, or lower database_pool or the greatest numbers of instances."
  }
}

variable "release_overlap" {
  description = "How many times the greatest number of instances may be there at once while a release replaces another: 2, since Cloud Run starts all of the new ones before the old ones end; 1 where releases are known to be made at a fraction of the load."
  type        = number
  default     = 2

  validation {
    condition     = var.release_overlap >= 1 && var.release_overlap <= 2
    error_message = "release_overlap is 1 to 2."
  }
}

variable "network" {
  description = "The network that instances send from."
  type        = string
}

variable "subnet" {
  description = "The subnet of the region that instances get their addresses from, /26 or larger; with some to spare, since Cloud Run takes them in blocks of 16 and old instances keep theirs for a while."
  type        = string
}

variable "egress" {
  description = "What goes through the network: PRIVATE_RANGES_ONLY, or ALL_TRAFFIC where a NAT is there for Upstash and Google's addresses are reached privately."
  type        = string
  default     = "PRIVATE_RANGES_ONLY"

  validation {
    condition     = contains(["PRIVATE_RANGES_ONLY", "ALL_TRAFFIC"], var.egress)
    error_message = "egress is PRIVATE_RANGES_ONLY or ALL_TRAFFIC."
  }
}

variable "ingress" {
  description = "Where requests to the api may come from: INGRESS_TRAFFIC_ALL, or INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER behind the load balancer. They need an invoker's token either way."
  type        = string
  default     = "INGRESS_TRAFFIC_ALL"

  validation {
    condition     = contains(["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"], var.ingress)
    error_message = "ingress is INGRESS_TRAFFIC_ALL or INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER."
  }

  validation {
    condition     = var.ingress == "INGRESS_TRAFFIC_ALL" || var.egress == "ALL_TRAFFIC" || length(try(jsondecode(var.environment.CELLS), {})) <= 1
    error_message = "Behind the load balancer alone, the other cells' calls count as internal only where they come through the network: set egress to ALL_TRAFFIC, or ingress to INGRESS_TRAFFIC_ALL."
  }
}

variable "audiences" {
  description = "The audiences of tokens that are taken beside the services' own addresses; one for all cells, so that one token is good in each."
  type        = set(string)

  validation {
    condition     = length(var.audiences) > 0
    error_message = "audiences has the audience that the edge and the other cells ask tokens for."
  }
}

variable "invokers" {
  description = "Who may call each service, by a word for each: the edge and the other cells call api, Pub/Sub's account calls worker."
  type        = object({ api = map(string), worker = map(string) })

  validation {
    condition = alltrue(flatten([
      for members in values(var.invokers) : [for member in values(members) : startswith(member, "serviceAccount:")]
    ]))
    error_message = "An invoker is a service account, serviceAccount:NAME@PROJECT.iam.gserviceaccount.com: allUsers and allAuthenticatedUsers let everybody past IAM, and nobody else calls a core."
  }
}

variable "api" {
  description = "The service that answers requests: instances at the least and at the most, CPUs and memory of each, requests that each is sent at once, and the seconds that a request may take."
  type = object({
    min             = optional(number, 1)
    max             = optional(number, 4)
    cpu             = optional(number, 2)
    memory          = optional(string, "1Gi")
    concurrency     = optional(number, 250)
    timeout_seconds = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.api.min >= 0 && var.api.max >= 1 && var.api.min <= var.api.max
    error_message = "api.min is at most api.max, and api.max at least 1."
  }

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.api.cpu) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.api.memory))
    error_message = "api.cpu is 1, 2, 4, 6 or 8, and api.memory such as 512Mi or 2Gi."
  }

  validation {
    condition     = try(tonumber(regex("^[0-9]+", var.api.memory)) * (endswith(var.api.memory, "Gi") ? 1024 : 1) >= lookup({ "4" = 2048, "6" = 4096, "8" = 4096 }, tostring(var.api.cpu), 512) && tonumber(regex("^[0-9]+", var.api.memory)) * (endswith(var.api.memory, "Gi") ? 1024 : 1) <= var.api.cpu * 4096, true)
    error_message = "api.memory does not go with api.cpu: Cloud Run wants at least 512Mi, 2Gi with 4 of cpu, 4Gi with 6 and 8, and gives at most 4Gi for each of cpu."
  }

  validation {
    condition     = alltrue([for number in [var.api.min, var.api.max, var.api.concurrency, var.api.timeout_seconds] : floor(number) == number])
    error_message = "api.min, api.max, api.concurrency and api.timeout_seconds are whole numbers."
  }

  validation {
    condition     = var.api.concurrency >= 1 && var.api.concurrency <= 1000 && var.api.timeout_seconds >= 1 && var.api.timeout_seconds <= 3600
    error_message = "api.concurrency is 1 to 1000, and api.timeout_seconds 1 to 3600."
  }
}

variable "worker" {
  description = "The service that works off events, as `api` says it. At least one instance always runs: it publishes what the others wrote."
  type = object({
    min             = optional(number, 1)
    max             = optional(number, 2)
    cpu             = optional(number, 1)
    memory          = optional(string, "1Gi")
    concurrency     = optional(number, 250)
    timeout_seconds = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.worker.min >= 1
    error_message = "worker.min is at least 1: without a worker no event is published, and caches do not hear of changes."
  }

  validation {
    condition     = var.worker.min <= var.worker.max
    error_message = "worker.min is at most worker.max."
  }

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.worker.cpu) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.worker.memory))
    error_message = "worker.cpu is 1, 2, 4, 6 or 8, and worker.memory such as 512Mi or 2Gi."
  }

  validation {
    condition     = try(tonumber(regex("^[0-9]+", var.worker.memory)) * (endswith(var.worker.memory, "Gi") ? 1024 : 1) >= lookup({ "4" = 2048, "6" = 4096, "8" = 4096 }, tostring(var.worker.cpu), 512) && tonumber(regex("^[0-9]+", var.worker.memory)) * (endswith(var.worker.memory, "Gi") ? 1024 : 1) <= var.worker.cpu * 4096, true)
    error_message = "worker.memory does not go with worker.cpu: Cloud Run wants at least 512Mi, 2Gi with 4 of cpu, 4Gi with 6 and 8, and gives at most 4Gi for each of cpu."
  }

  validation {
    condition     = alltrue([for number in [var.worker.min, var.worker.max, var.worker.concurrency, var.worker.timeout_seconds] : floor(number) == number])
    error_message = "worker.min, worker.max, worker.concurrency and worker.timeout_seconds are whole numbers."
  }

  validation {
    condition     = var.worker.concurrency >= 1 && var.worker.concurrency <= 1000 && var.worker.timeout_seconds >= 1 && var.worker.timeout_seconds <= 3600
    error_message = "worker.concurrency is 1 to 1000, and worker.timeout_seconds 1 to 3600."
  }
}

variable "migration_timeout_seconds" {
  description = "Seconds that a migration may take; it is tried twice."
  type        = number
  default     = 1800

  validation {
    condition     = var.migration_timeout_seconds >= 60 && var.migration_timeout_seconds <= 86400
    error_message = "migration_timeout_seconds is 60 to 86400."
  }
}

variable "collector" {
  description = "An OpenTelemetry collector beside each instance that hands traces and metrics to Google Cloud: its image, CPUs and memory; null for none."
  type = object({
    image  = optional(string, "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:0.160.0")
    cpu    = optional(string, "1")
    memory = optional(string, "512Mi")
  })
  default = {}

  validation {
    condition     = var.collector == null || can(regex("(@sha256:[0-9a-f]{64}|:[0-9]+\\.[0-9]+\\.[0-9]+)$", var.collector.image))
    error_message = "collector.image is named by its version or its digest, never by a tag that moves."
  }
}
