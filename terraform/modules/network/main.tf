locals {
  # Addresses of private networks (RFC 1918), and no prefix that goes beyond them.
  private_range = "^(10\\.[0-9.]+/([89]|[12][0-9]|3[0-2])|172\\.(1[6-9]|2[0-9]|3[01])\\.[0-9.]+/(1[2-9]|2[0-9]|3[0-2])|192\\.168\\.[0-9.]+/(1[6-9]|2[0-9]|3[0-2]))$"

  # What may not overlap: every range by the name of the input that it comes from.
  ranges = merge(
    { for cell, region in var.regions : "regions[\"${cell}\"].subnet_cidr ${region.subnet_cidr}" => region.subnet_cidr },
    { "peering_cidr ${var.peering_cidr}" = var.peering_cidr },
    # Cloud SQL has a network of its own in there: an instance in it cannot be reached, nor can one be reached from it.
    { "172.17.0.0/16, which Cloud SQL keeps to itself," = "172.17.0.0/16" },
  )

  # Each as its first and last address, counted from 0.0.0.0; there is no function that says whether two ranges overlap.
  spans = {
    for name, cidr in local.ranges : name => {
      first = sum([for place, octet in split(".", cidrhost(cidr, 0)) : tonumber(octet) * pow(256, 3 - place)])
      size  = pow(2, 32 - tonumber(split("/", cidr)[1]))
    }
  }
  names = keys(local.spans)
  overlaps = flatten([
    for place, one in local.names : [
      # Each pair once.
      for other in slice(local.names, place + 1, length(local.names)) : "${one} and ${other}"
      if local.spans[one].first < local.spans[other].first + local.spans[other].size &&
      local.spans[other].first < local.spans[one].first + local.spans[one].size
    ]
  ])
}

resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = "${var.name}-network"
  description             = "Cores, and what they stand on. Nothing in it has a way in from outside."
  auto_create_subnetworks = false

  lifecycle {
    # No validation of a variable: those cannot look at what is computed from the variable itself.
    precondition {
      condition     = length(local.overlaps) == 0
      error_message = "These ranges overlap; choose others for one of each pair: ${join("; ", local.overlaps)}."
    }
  }
}

# Instances of a core have their addresses here (Direct VPC egress), and so has the way to the cell's Memorystore.
resource "google_compute_subnetwork" "this" {
  for_each = var.regions

  project       = var.project_id
  name          = "${var.name}-${each.key}-subnet"
  region        = each.value.region
  network       = google_compute_network.this.id
  ip_cidr_range = each.value.subnet_cidr
  # Google's APIs are reached from in here without an address that the world could reach.
  private_ip_google_access = true
}

resource "google_compute_global_address" "peering" {
  project       = var.project_id
  name          = "${var.name}-peering"
  description   = "Cloud SQL takes a /24 of it for each region."
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = cidrhost(var.peering_cidr, 0)
  prefix_length = tonumber(split("/", var.peering_cidr)[1])
  network       = google_compute_network.this.id
  labels        = var.labels
}

resource "google_service_networking_connection" "this" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.peering.name]
  # Google keeps its side for days after the last instance has gone, and refuses to delete the connection as long: it goes
  # with the network. Where it was left behind, it is taken over.
  deletion_policy         = "ABANDON"
  update_on_creation_fail = true
}
