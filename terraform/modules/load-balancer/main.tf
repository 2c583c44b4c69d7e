locals {
  hosts = { for cell in keys(var.cells) : cell => "${cell}.${var.domain}" }
  # A rule takes ten networks; sorted, so that their order at the source is no change.
  ranges = { for index, ranges in chunklist(sort(var.allowed_ranges), 10) : index => ranges }
}

resource "google_compute_global_address" "this" {
  project      = var.project_id
  name         = "${var.name}-core"
  address_type = "EXTERNAL"
  ip_version   = "IPV4"
  labels       = var.labels
}

# Who is let in by network. It is no replacement for IAM: everybody's Worker comes from the same networks.
resource "google_compute_security_policy" "this" {
  project     = var.project_id
  name        = "${var.name}-core"
  description = "Lets the edge's networks in and nobody else."
  type        = "CLOUD_ARMOR"

  dynamic "rule" {
    for_each = local.ranges
    content {
      action      = "allow"
      priority    = 1000 + rule.key
      description = "The edge's networks"
      match {
        versioned_expr = "SRC_IPS_V1"
        config {
          src_ip_ranges = rule.value
        }
      }
    }
  }

  rule {
    action      = "deny(403)"
    priority    = 2147483647
    description = "Everybody else"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

resource "google_compute_region_network_endpoint_group" "this" {
  for_each = var.cells

  project               = var.project_id
  name                  = "${var.name}-${each.key}-core"
  region                = each.value.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value.service
  }
}

resource "google_compute_backend_service" "this" {
  for_each = var.cells

  project               = var.project_id
  name                  = "${var.name}-${each.key}-core"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.this.id

  backend {
    group = google_compute_region_network_endpoint_group.this[each.key].id
  }

  log_config {
    enable      = var.log_sample_rate > 0
    sample_rate = var.log_sample_rate
  }
}

resource "google_compute_url_map" "this" {
  project = var.project_id
  name    = "${var.name}-core"
  # For a host that no cell has. Who comes by one is asked for the same token and signature, and the cell refuses what is another's.
  default_service = google_compute_backend_service.this[sort(keys(var.cells))[0]].id

  dynamic "host_rule" {
    for_each = local.hosts
    content {
      hosts        = [host_rule.value]
      path_matcher = host_rule.key
    }
  }

  dynamic "path_matcher" {
    for_each = var.cells
    content {
      name            = path_matcher.key
      default_service = google_compute_backend_service.this[path_matcher.key].id
    }
  }
}

# One authorization covers the domain and all below it, so a cell that is added waits for no certificate.
resource "google_certificate_manager_dns_authorization" "this" {
  project = var.project_id
  name    = "${var.name}-core"
  domain  = var.domain
  labels  = var.labels
}

resource "google_certificate_manager_certificate" "this" {
  project = var.project_id
  name    = "${var.name}-core"
  labels  = var.labels

  managed {
    domains            = ["*.${var.domain}"]
    dns_authorizations = [google_certificate_manager_dns_authorization.this.id]
  }
}

resource "google_certificate_manager_certificate_map" "this" {
  project = var.project_id
  name    = "${var.name}-core"
  labels  = var.labels
}

resource "google_certificate_manager_certificate_map_entry" "this" {
  project      = var.project_id
  name         = "${var.name}-core"
  map          = google_certificate_manager_certificate_map.this.name
  certificates = [google_certificate_manager_certificate.this.id]
  hostname     = "*.${var.domain}"
  labels       = var.labels
}

resource "google_compute_ssl_policy" "this" {
  project         = var.project_id
  name            = "${var.name}-core"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

# There is no port 80: nobody but the edge comes here, and it comes by https.
resource "google_compute_target_https_proxy" "this" {
  project         = var.project_id
  name            = "${var.name}-core"
  url_map         = google_compute_url_map.this.id
  certificate_map = "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.this.id}"
  ssl_policy      = google_compute_ssl_policy.this.id

  # A proxy whose map has no entry yet would answer without a certificate.
  depends_on = [google_certificate_manager_certificate_map_entry.this]
}

resource "google_compute_global_forwarding_rule" "this" {
  project               = var.project_id
  name                  = "${var.name}-core"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  ip_protocol           = "TCP"
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
  labels                = var.labels
}
