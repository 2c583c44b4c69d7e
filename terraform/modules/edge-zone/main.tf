locals {
  # The rules name their hosts. One that names none would reach the addresses under which the Worker keeps texts in the data
  # centre's cache, and a bypass would turn that tier off.
  hosts        = sort(concat([var.api_host], tolist(var.other_api_hosts)))
  is_our_host  = "http.host in {${join(" ", [for host in local.hosts : "\"${host}\""])}}"
  is_core_host = "http.host in {${join(" ", [for host in sort(keys(var.core_hosts)) : "\"${host}\""])}}"
  is_blocked_path = join(" or ", [
    for path in sort(tolist(var.blocked_paths)) :
    "lower(http.request.uri.path) eq \"${path}\" or starts_with(lower(http.request.uri.path), \"${path}/\")"
  ])

  zone_settings = {
    min_tls_version  = "1.2"
    tls_1_3          = "on"
    http3            = "on"
    always_use_https = "on"
    ssl              = "strict"
    # What is sent in the first flight can be sent again by whoever saw it.
    "0rtt" = "off"
  }
}

# Unproxied: Google looks at the record before it gives the load balancer its certificate, and nothing of the zone lies between the
# Worker and a core. Cloud Armor lets in Cloudflare's ranges alone, and behind it the core asks for a token and a signature.
resource "cloudflare_dns_record" "core" {
  for_each = var.core_hosts

  zone_id = var.zone_id
  name    = each.key
  type    = "A"
  content = each.value
  ttl     = 300
  proxied = false
  comment = "${var.name}: the cores' load balancer, by Terraform"
}

resource "cloudflare_zone_setting" "zone" {
  for_each = var.owns_zone ? local.zone_settings : {}

  zone_id    = var.zone_id
  setting_id = each.key
  value      = each.value
}

resource "cloudflare_ruleset" "firewall" {
  for_each = var.owns_zone ? { zone = var.zone_id } : {}

  zone_id     = each.value
  name        = "${var.name} firewall"
  description = "What no client has business with."
  kind        = "zone"
  phase       = "http_request_firewall_custom"

  rules = [{
    ref         = "blocked_paths"
    description = "Addresses that edges and cells ask of cores, and nobody of the edge."
    expression  = "(${local.is_our_host}) and (${local.is_blocked_path})"
    action      = "block"
  }]
}

resource "cloudflare_ruleset" "cache" {
  for_each = var.owns_zone ? { zone = var.zone_id } : {}

  zone_id     = each.value
  name        = "${var.name} cache"
  description = "The Worker keeps its own caches, which know of versions; one that does not would be wrong."
  kind        = "zone"
  phase       = "http_request_cache_settings"

  rules = [{
    ref         = "no_cache"
    description = "Nothing of the API or of a core is kept by the zone."
    expression  = length(var.core_hosts) > 0 ? "(${local.is_our_host}) or (${local.is_core_host})" : "(${local.is_our_host})"
    action      = "set_cache_settings"
    action_parameters = {
      cache = false
    }
  }]
}

resource "cloudflare_ruleset" "rate_limit" {
  for_each = var.owns_zone && var.rate_limit != null ? { zone = var.rate_limit } : {}

  zone_id     = var.zone_id
  name        = "${var.name} rate limit"
  description = "An address that asks without end is refused before the Worker is started."
  kind        = "zone"
  phase       = "http_ratelimit"

  rules = [{
    ref         = "address"
    description = "One address in one data centre."
    expression  = "(${local.is_our_host})"
    action      = "block"
    ratelimit = {
      characteristics     = ["cf.colo.id", "ip.src"]
      requests_per_period = each.value.requests
      period              = each.value.period_seconds
      mitigation_timeout  = each.value.block_seconds
    }
  }]
}

locals {
  # Of Cloudflare's permission groups, which have the same ids in every account: Workers Scripts Write. `GET
  # /accounts/{account_id}/tokens/permission_groups` lists them.
  workers_scripts_write = "e086da7e2179491d91ee5f35b3ca210a"
}

# An account's token, not a person's: it outlives whoever made it. A custom domain needs no right beside the script's.
resource "cloudflare_account_token" "deploy" {
  for_each = var.deploy_token != null ? { account = var.deploy_token } : {}

  account_id = var.account_id
  name       = "${var.name} deploys the Worker"
  expires_on = each.value.expires_on

  policies = [{
    effect            = "allow"
    permission_groups = [{ id = local.workers_scripts_write }]
    resources         = jsonencode({ "com.cloudflare.api.account.${var.account_id}" = "*" })
  }]

  condition = length(each.value.allowed_ranges) > 0 ? { request_ip = { in = each.value.allowed_ranges } } : null
}

# Two weeks are enough to change it in working hours. It is changed by another expires_on; see docs/runbooks/key-rotation.md.
check "deploy_token_lives" {
  assert {
    condition     = var.deploy_token == null || timecmp(try(var.deploy_token.expires_on, "9999-01-01T00:00:00Z"), timeadd(plantimestamp(), "336h")) > 0
    error_message = "The token that deploys the Worker ends within two weeks: set deploy_token.expires_on to a later time, and apply."
  }
}
