mock_provider "cloudflare" {
  mock_resource "cloudflare_account_token" {
    defaults = { value = "token" }
  }
}

variables {
  name       = "perigee"
  account_id = "0123456789abcdef0123456789abcdef"
  zone_id    = "fedcba9876543210fedcba9876543210"
  api_host   = "api.example.com"
}

run "a_zone_for_a_worker_that_calls_cloud_run" {
  assert {
    condition     = length(cloudflare_dns_record.core) == 0
    error_message = "Without a load balancer there is no record; that of the API is wrangler's."
  }

  assert {
    condition     = cloudflare_zone_setting.zone["min_tls_version"].value == "1.2" && cloudflare_zone_setting.zone["ssl"].value == "strict"
    error_message = "Nobody speaks less than TLS 1.2, and origins show a certificate that is good."
  }

  assert {
    condition     = cloudflare_zone_setting.zone["always_use_https"].value == "on" && cloudflare_zone_setting.zone["http3"].value == "on"
    error_message = "HTTP is sent on to HTTPS, and HTTP/3 is offered."
  }

  assert {
    condition     = cloudflare_zone_setting.zone["0rtt"].value == "off"
    error_message = "What can be replayed is not taken early."
  }

  assert {
    condition     = cloudflare_ruleset.firewall["zone"].phase == "http_request_firewall_custom" && cloudflare_ruleset.firewall["zone"].kind == "zone"
    error_message = "The rules are those of the zone's own phase."
  }

  assert {
    condition     = cloudflare_ruleset.firewall["zone"].rules[0].expression == "(http.host in {\"api.example.com\"}) and (lower(http.request.uri.path) eq \"/health\" or starts_with(lower(http.request.uri.path), \"/health/\") or lower(http.request.uri.path) eq \"/internal\" or starts_with(lower(http.request.uri.path), \"/internal/\"))"
    error_message = "The cores' own addresses are refused, at the API's host alone, and no path that merely begins alike."
  }

  assert {
    condition     = cloudflare_ruleset.firewall["zone"].rules[0].action == "block"
    error_message = "They are refused, not asked to prove that they are people."
  }

  assert {
    condition     = cloudflare_ruleset.cache["zone"].rules[0].expression == "(http.host in {\"api.example.com\"})" && cloudflare_ruleset.cache["zone"].rules[0].action_parameters.cache == false
    error_message = "The zone keeps nothing of the API, and the rule names the host: one for all hosts would turn off the Worker's own cache."
  }

  assert {
    condition     = length(cloudflare_ruleset.rate_limit) == 0
    error_message = "Without rate_limit the Worker's own limits hold."
  }

  assert {
    condition     = length(cloudflare_account_token.deploy) == 0 && output.deploy_token == null
    error_message = "No token is made that was not asked for."
  }
}

run "hosts_of_a_load_balancer" {
  variables {
    core_hosts = { "us1.core.example.com" = "203.0.113.7", "eu1.core.example.com" = "203.0.113.7" }
  }

  assert {
    condition = alltrue([for host, record in cloudflare_dns_record.core :
      record.name == host && record.type == "A" && record.content == "203.0.113.7" && record.proxied == false
    ]) && length(cloudflare_dns_record.core) == 2
    error_message = "Each host has its record, unproxied, so that Google can give a certificate for it."
  }

  assert {
    condition     = cloudflare_ruleset.cache["zone"].rules[0].expression == "(http.host in {\"api.example.com\"}) or (http.host in {\"eu1.core.example.com\" \"us1.core.example.com\"})"
    error_message = "Nothing of a core is kept by the zone, in whatever order its hosts are given."
  }

  assert {
    condition     = output.core_urls["eu1.core.example.com"] == "https://eu1.core.example.com"
    error_message = "The edge gets the addresses of the records that are there."
  }
}

run "a_zone_that_another_deployment_owns" {
  variables {
    owns_zone  = false
    core_hosts = { "eu1.core.example.com" = "203.0.113.7" }
  }

  assert {
    condition     = length(cloudflare_zone_setting.zone) == 0 && length(cloudflare_ruleset.firewall) == 0 && length(cloudflare_ruleset.cache) == 0
    error_message = "A phase of a zone has one ruleset: the owner's."
  }

  assert {
    condition     = length(cloudflare_dns_record.core) == 1
    error_message = "Its own hosts it has all the same."
  }
}

run "rules_for_several_deployments_and_paths" {
  variables {
    other_api_hosts = ["staging.example.com"]
    blocked_paths   = ["/internal", "/push"]
    rate_limit      = { requests = 2000, period_seconds = 10, block_seconds = 60 }
  }

  assert {
    condition     = startswith(cloudflare_ruleset.firewall["zone"].rules[0].expression, "(http.host in {\"api.example.com\" \"staging.example.com\"})")
    error_message = "The rules hold for every deployment in the zone."
  }

  assert {
    condition     = strcontains(cloudflare_ruleset.firewall["zone"].rules[0].expression, "eq \"/push\"") && strcontains(cloudflare_ruleset.firewall["zone"].rules[0].expression, "eq \"/internal\"")
    error_message = "Every path that was named is refused."
  }

  assert {
    condition = (
      cloudflare_ruleset.rate_limit["zone"].phase == "http_ratelimit" &&
      cloudflare_ruleset.rate_limit["zone"].rules[0].ratelimit.requests_per_period == 2000 &&
      cloudflare_ruleset.rate_limit["zone"].rules[0].ratelimit.period == 10 &&
      cloudflare_ruleset.rate_limit["zone"].rules[0].ratelimit.mitigation_timeout == 60
    )
    error_message = "An address is counted as it was asked for."
  }
}

run "a_token_for_deploys" {
  variables {
    deploy_token = { expires_on = "2099-01-01T00:00:00Z", allowed_ranges = ["203.0.113.0/24"] }
  }

  assert {
    condition     = [for group in cloudflare_account_token.deploy["account"].policies[0].permission_groups : group.id] == ["e086da7e2179491d91ee5f35b3ca210a"]
    error_message = "The token writes Workers of the account, and can do nothing else."
  }

  assert {
    condition     = jsondecode(cloudflare_account_token.deploy["account"].policies[0].resources) == { "com.cloudflare.api.account.0123456789abcdef0123456789abcdef" = "*" }
    error_message = "It is good for this account."
  }

  assert {
    condition     = cloudflare_account_token.deploy["account"].expires_on == "2099-01-01T00:00:00Z"
    error_message = "It ends when it was said."
  }

  assert {
    condition     = cloudflare_account_token.deploy["account"].condition.request_ip.in == tolist(["203.0.113.0/24"])
    error_message = "It is good from the ranges that were given."
  }

  assert {
    condition     = nonsensitive(output.deploy_token) == "token" && issensitive(output.deploy_token)
    error_message = "It is told, and no plan prints it."
  }
}

run "a_token_from_anywhere" {
  variables {
    deploy_token = { expires_on = "2099-01-01T00:00:00Z" }
  }

  assert {
    condition     = cloudflare_account_token.deploy["account"].condition == null
    error_message = "Without ranges there is no condition."
  }
}

run "a_token_that_ends_soon_is_told" {
  command = plan

  variables {
    deploy_token = { expires_on = "2026-01-01T00:00:00Z" }
  }

  expect_failures = [check.deploy_token_lives]
}

run "two_owners_of_a_route" {
  command = plan

  variables {
    core_hosts = { "api.example.com" = "203.0.113.7" }
  }

  expect_failures = [var.core_hosts]
}

run "a_wildcard_that_would_take_in_the_api" {
  command = plan

  variables {
    core_hosts = { "*.example.com" = "203.0.113.7" }
  }

  expect_failures = [var.core_hosts]
}

run "a_core_host_without_an_address" {
  command = plan

  variables {
    core_hosts = { "eu1.core.example.com" = "example.com" }
  }

  expect_failures = [var.core_hosts]
}

run "an_address_for_a_host" {
  command = plan

  variables {
    api_host = "https://api.example.com"
  }

  expect_failures = [var.api_host]
}

run "paths_that_clients_call" {
  command = plan

  variables {
    blocked_paths = ["/internal", "/v1"]
  }

  expect_failures = [var.blocked_paths]
}

run "a_path_that_would_block_everything" {
  command = plan

  variables {
    blocked_paths = ["/"]
  }

  expect_failures = [var.blocked_paths]
}

run "rules_for_others_without_the_zone" {
  command = plan

  variables {
    owns_zone       = false
    other_api_hosts = ["staging.example.com"]
  }

  expect_failures = [var.other_api_hosts]
}

run "a_period_that_cloudflare_does_not_count" {
  command = plan

  variables {
    rate_limit = { requests = 100, period_seconds = 7, block_seconds = 60 }
  }

  expect_failures = [var.rate_limit]
}

run "a_rate_limit_without_the_zone" {
  command = plan

  variables {
    owns_zone  = false
    rate_limit = { requests = 100, period_seconds = 10, block_seconds = 60 }
  }

  expect_failures = [var.rate_limit]
}

run "a_token_without_an_end" {
  command = plan

  variables {
    deploy_token = { expires_on = "never" }
  }

  expect_failures = [var.deploy_token]
}

run "a_token_from_no_range" {
  command = plan

  variables {
    deploy_token = { expires_on = "2099-01-01T00:00:00Z", allowed_ranges = ["everywhere"] }
  }

  expect_failures = [var.deploy_token]
}

run "bad_ids" {
  command = plan

  variables {
    name       = "Perigee"
    account_id = "acme"
    zone_id    = "example.com"
  }

  expect_failures = [var.name, var.account_id, var.zone_id]
}
