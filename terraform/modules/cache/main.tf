locals {
  connections = flatten([for endpoint in google_memorystore_instance.this.endpoints : [for connection in endpoint.connections : connection.psc_auto_connection]])
  # The one that tells where the shards are; it stays the same while they come and go.
  discovery = one([for connection in local.connections : connection if connection.connection_type == "CONNECTION_TYPE_DISCOVERY"])
}

# Lets Memorystore make its addresses in the cell's subnet; a network has one for each region.
resource "google_network_connectivity_service_connection_policy" "this" {
  project       = var.project_id
  name          = "${var.name}-cache"
  location      = var.region
  service_class = "gcp-memorystore"
  network       = var.network_id
  labels        = var.labels

  psc_config {
    subnetworks = [var.subnet_id]
  }
}

resource "google_memorystore_instance" "this" {
  project     = var.project_id
  instance_id = "${var.name}-cache"
  location    = var.region
  labels      = var.labels

  # A cluster, also of one shard: then more shards are a change, and no new instance.
  mode                        = "CLUSTER"
  shard_count                 = var.shards
  replica_count               = var.replicas
  node_type                   = var.node_type
  engine_version              = var.engine_version
  deletion_protection_enabled = var.deletion_protection

  transit_encryption_mode = "SERVER_AUTHENTICATION"
  # Whoever is in the network and has the authority's certificate may use it: it holds counts, and nothing that anybody is let in by.
  authorization_mode = "AUTH_DISABLED"

  engine_configs = {
    # All that is kept has a life. What is near its end is worth least; to refuse writes would be to count nothing.
    maxmemory-policy = "volatile-ttl"
  }

  # What it holds can be lost at any time; to write it down would cost each command something.
  persistence_config {
    mode = "DISABLED"
  }

  zone_distribution_config {
    mode = "MULTI_ZONE"
  }

  desired_auto_created_endpoints {
    network    = var.network_id
    project_id = var.project_id
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = var.maintenance_window.day
      start_time {
        hours = var.maintenance_window.hour
      }
    }
  }

  # It makes its addresses by the policy, and does not name it.
  depends_on = [google_network_connectivity_service_connection_policy.this]
}
