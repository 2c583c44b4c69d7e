mock_provider "google" {
  mock_resource "google_certificate_manager_certificate_map" {
    defaults = { id = "projects/perigee-test/locations/global/certificateMaps/perigee-core" }
  }
  mock_resource "google_certificate_manager_dns_authorization" {
    defaults = {
      dns_resource_record = [{ name = "_acme-challenge.core.example.com.", type = "CNAME", data = "1234.authorize.certificatemanager.goog." }]
    }
  }
  mock_resource "google_compute_backend_service" {
    defaults = { id = "projects/perigee-test/global/backendServices/core" }
  }
}

variables {
  name       = "perigee"
  project_id = "perigee-test"
  domain     = "core.example.com"
  cells = {
    us1 = { region = "us-east4", service = "perigee-us1-api" }
    eu1 = { region = "europe-west1", service = "perigee-eu1-api" }
  }
  allowed_ranges = ["173.245.48.0/20", "2400:cb00::/32"]
}

run "each_cell_has_a_host_of_its_own" {
  command = plan

  assert {
    condition     = output.hosts == { eu1 = "eu1.core.example.com", us1 = "us1.core.example.com" }
    error_message = "A cell's host is its code below the domain."
  }
  assert {
    condition     = output.urls == { eu1 = "https://eu1.core.example.com", us1 = "https://us1.core.example.com" }
    error_message = "Cells are reached by https."
  }
  assert {
    condition = (
      google_compute_region_network_endpoint_group.this["us1"].region == "us-east4" &&
      google_compute_region_network_endpoint_group.this["us1"].cloud_run[0].service == "perigee-us1-api" &&
      google_compute_region_network_endpoint_group.this["us1"].network_endpoint_type == "SERVERLESS"
    )
    error_message = "A cell's backend is its own service in its own region."
  }
  assert {
    condition     = { for rule in google_compute_url_map.this.host_rule : rule.path_matcher => one(rule.hosts) } == output.hosts
    error_message = "A host leads to its cell."
  }
  assert {
    condition     = toset([for matcher in google_compute_url_map.this.path_matcher : matcher.name]) == toset(["eu1", "us1"])
    error_message = "Each cell has a backend of its own behind its host."
  }
}

run "only_the_edge_is_let_in" {
  command = apply

  assert {
    condition     = alltrue([for backend in google_compute_backend_service.this : backend.security_policy == google_compute_security_policy.this.id])
    error_message = "No backend is without the policy."
  }
  assert {
    condition = one([
      for rule in google_compute_security_policy.this.rule : rule.action if rule.priority == 2147483647
    ]) == "deny(403)"
    error_message = "Who is not named is refused."
  }
  assert {
    condition = toset(flatten([
      for rule in google_compute_security_policy.this.rule : [for match in rule.match : [for config in match.config : config.src_ip_ranges]] if rule.action == "allow"
    ])) == toset(["173.245.48.0/20", "2400:cb00::/32"])
    error_message = "Exactly the networks that were named are let in."
  }
}

run "more_networks_than_a_rule_takes_are_more_rules" {
  command = plan
  variables {
    allowed_ranges = [for index in range(23) : "198.51.${index}.0/24"]
  }

  assert {
    condition = sort([
      for rule in google_compute_security_policy.this.rule : length(one(one(rule.match).config).src_ip_ranges) if rule.action == "allow"
    ]) == sort([10, 10, 3])
    error_message = "A rule of Cloud Armor takes ten networks."
  }
  assert {
    condition     = length(distinct([for rule in google_compute_security_policy.this.rule : rule.priority])) == 4
    error_message = "No two rules share a priority."
  }
}

run "there_is_nothing_but_https" {
  command = apply

  assert {
    condition     = google_compute_global_forwarding_rule.this.port_range == "443" && google_compute_global_forwarding_rule.this.load_balancing_scheme == "EXTERNAL_MANAGED"
    error_message = "443 is the only port."
  }
  assert {
    condition     = google_compute_ssl_policy.this.min_tls_version == "TLS_1_2" && google_compute_target_https_proxy.this.ssl_policy == google_compute_ssl_policy.this.id
    error_message = "TLS older than 1.2 is refused."
  }
  assert {
    condition     = google_compute_target_https_proxy.this.certificate_map == "//certificatemanager.googleapis.com/projects/perigee-test/locations/global/certificateMaps/perigee-core"
    error_message = "The proxy has the certificates."
  }
  assert {
    condition     = google_certificate_manager_certificate.this.managed[0].domains == tolist(["*.core.example.com"]) && google_certificate_manager_certificate_map_entry.this.hostname == "*.core.example.com"
    error_message = "One certificate covers every cell, also those to come."
  }
  assert {
    condition     = output.dns_authorization == { name = "_acme-challenge.core.example.com.", type = "CNAME", data = "1234.authorize.certificatemanager.goog." }
    error_message = "The record that has to be made is told."
  }
}

run "requests_are_logged_in_part" {
  command = plan

  assert {
    condition     = alltrue([for backend in google_compute_backend_service.this : backend.log_config[0].enable && backend.log_config[0].sample_rate == 0.01])
    error_message = "A hundredth of requests is logged."
  }
}

run "requests_need_not_be_logged" {
  command = plan
  variables {
    log_sample_rate = 0
  }

  assert {
    condition     = alltrue([for backend in google_compute_backend_service.this : !backend.log_config[0].enable])
    error_message = "A share of nothing is no log."
  }
}

run "one_cell" {
  command = plan
  variables {
    cells = { eu1 = { region = "europe-west1", service = "perigee-eu1-api" } }
  }

  assert {
    condition     = keys(google_compute_backend_service.this) == ["eu1"] && output.hosts == { eu1 = "eu1.core.example.com" }
    error_message = "One cell is enough."
  }
}

run "five_cells" {
  command = plan
  variables {
    cells = { for cell in ["ap1", "eu1", "eu2", "sa1", "us1"] : cell => { region = "europe-west1", service = "perigee-${cell}-api" } }
  }

  assert {
    condition     = keys(google_compute_backend_service.this) == ["ap1", "eu1", "eu2", "sa1", "us1"]
    error_message = "Each of five cells has a backend."
  }
}

run "no_cells_are_refused" {
  command = plan
  variables {
    cells = {}
  }
  expect_failures = [var.cells]
}

run "a_cell_that_is_no_part_of_a_host_is_refused" {
  command = plan
  variables {
    cells = { "EU_1" = { region = "europe-west1", service = "perigee-eu1-api" } }
  }
  expect_failures = [var.cells]
}

run "no_networks_are_refused" {
  command = plan
  variables {
    allowed_ranges = []
  }
  expect_failures = [var.allowed_ranges]
}

run "an_address_that_is_no_network_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["173.245.48.1"]
  }
  expect_failures = [var.allowed_ranges]
}

run "the_whole_internet_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_ranges]
}

run "the_whole_internet_of_today_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["::/0"]
  }
  expect_failures = [var.allowed_ranges]
}

run "a_wildcard_is_no_domain" {
  command = plan
  variables {
    domain = "*.example.com"
  }
  expect_failures = [var.domain]
}

run "a_share_above_one_is_refused" {
  command = plan
  variables {
    log_sample_rate = 2
  }
  expect_failures = [var.log_sample_rate]
}

run "a_name_that_is_too_long_is_refused" {
  command = plan
  variables {
    name = "perigee-of-a-very-long-name"
  }
  expect_failures = [var.name]
}
