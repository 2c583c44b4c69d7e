variable "name" {
  description = "Prefix of the deployment's names, such as perigee."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "name must be 2 to 21 lower-case letters, digits or hyphens and begin with a letter: it becomes a part of every name."
  }
}

variable "account_id" {
  description = "Cloudflare account that holds the Worker, 32 hexadecimal digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.account_id))
    error_message = "account_id must be the 32 hexadecimal digits that the account's overview shows."
  }
}

variable "zone_id" {
  description = "Cloudflare zone that api_host and core_hosts lie in, 32 hexadecimal digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.zone_id))
    error_message = "zone_id must be the 32 hexadecimal digits that the zone's overview shows."
  }
}

variable "api_host" {
  description = "Host that clients call, such as api.example.com. Its record and certificate are made by wrangler with the Worker's custom domain."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.api_host))
    error_message = "api_host must be a host in lower case without scheme, port or path, such as api.example.com."
  }
}

variable "core_hosts" {
  description = "Hosts of the cores' load balancer, each with its IPv4 address. Empty where the Worker calls Cloud Run itself."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.core_hosts), var.api_host)
    error_message = "core_hosts must not hold api_host: wrangler owns its record, and in CI it overwrites one that is there. Give the cores hosts of their own."
  }

  validation {
    condition     = alltrue([for host in keys(var.core_hosts) : can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", host))])
    error_message = "core_hosts must be whole hosts in lower case, such as eu1.core.example.com; a wildcard would take in api_host."
  }

  validation {
    condition     = alltrue([for ip in values(var.core_hosts) : can(cidrhost("${ip}/32", 0)) && can(regex("^[0-9.]+$", ip))])
    error_message = "core_hosts must give an IPv4 address for each host, as the load balancer's output says it."
  }
}

variable "owns_zone" {
  description = "Whether this deployment sets the zone's settings and rules. Cloudflare has one ruleset for a phase and zone: where deployments share a zone, one of them does."
  type        = bool
  default     = true
}

variable "other_api_hosts" {
  description = "Hosts of other deployments in the zone to which the rules of this one apply too."
  type        = set(string)
  default     = []

  validation {
    condition     = var.owns_zone || length(var.other_api_hosts) == 0
    error_message = "other_api_hosts says to which hosts the rules apply, and there are none without owns_zone: leave it empty, or set owns_zone."
  }
}

variable "blocked_paths" {
  description = "First segments of paths that no client has business with: the cores' own addresses. They are refused before the Worker is started."
  type        = set(string)
  default     = ["/health", "/internal"]

  validation {
    condition     = length(var.blocked_paths) > 0 && alltrue([for path in var.blocked_paths : can(regex("^/[a-z0-9._-]+$", path))])
    error_message = "blocked_paths must be one or more first segments such as /internal, without a slash at the end."
  }

  validation {
    condition     = length(setintersection(var.blocked_paths, ["/v1", "/ofrep", "/docs", "/.well-known", "/openapi.json", "/events.json"])) == 0
    error_message = "blocked_paths must not hold what clients call: /v1, /ofrep, /docs, /.well-known, /openapi.json or /events.json."
  }
}

variable "rate_limit" {
  description = "Requests of one address in a data centre within a period (10, 60 or more seconds, as the plan allows) after which it is refused for block_seconds. Null leaves it to the Worker's own limits."
  type = object({
    requests       = number
    period_seconds = number
    block_seconds  = number
  })
  default = null

  validation {
    condition = var.rate_limit == null || (
      try(var.rate_limit.requests, 0) >= 1 &&
      contains([10, 15, 20, 30, 40, 45, 60, 90, 120, 180, 240, 300, 480, 600, 900, 1200, 1800, 2400, 3600], try(var.rate_limit.period_seconds, 0)) &&
      try(var.rate_limit.block_seconds, 0) >= 10
    )
    error_message = "rate_limit needs requests of 1 or more, a period_seconds that Cloudflare counts over (10, 60, 120, 300, 600, 3600 …) and block_seconds of 10 or more."
  }

  validation {
    condition     = var.rate_limit == null || var.owns_zone
    error_message = "rate_limit is a rule of the zone: it needs owns_zone."
  }
}

variable "deploy_token" {
  description = "Makes the token that deploys the Worker: until when it is good (RFC 3339), and from which CIDR ranges, where empty is from anywhere. Null makes none."
  type = object({
    expires_on     = string
    allowed_ranges = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.deploy_token == null || can(timeadd(try(var.deploy_token.expires_on, ""), "0s"))
    error_message = "deploy_token.expires_on must be a time such as 2027-06-30T00:00:00Z: a token that never ends is never changed."
  }

  validation {
    condition     = var.deploy_token == null || alltrue([for range in try(var.deploy_token.allowed_ranges, []) : can(cidrhost(range, 0))])
    error_message = "deploy_token.allowed_ranges must be CIDR ranges such as 203.0.113.0/24."
  }
}
