mock_provider "google" {
  mock_resource "google_memorystore_instance" {
    defaults = {
      endpoints = [{
        connections = [
          { psc_auto_connection = [{ connection_type = "CONNECTION_TYPE_PRIMARY", ip_address = "10.0.0.3", port = 6380 }] },
          { psc_auto_connection = [{ connection_type = "CONNECTION_TYPE_DISCOVERY", ip_address = "10.0.0.2", port = 6379 }] },
        ]
      }]
      managed_server_ca = [{
        ca_certs = [{ certificates = ["-----BEGIN CERTIFICATE-----\nold\n-----END CERTIFICATE-----\n"] }, { certificates = ["-----BEGIN CERTIFICATE-----\nnew\n-----END CERTIFICATE-----"] }]
      }]
      node_config = [{ size_gb = 6.5 }]
    }
  }
}

variables {
  name       = "perigee-eu1"
  project_id = "perigee-test"
  region     = "europe-west1"
  network_id = "projects/perigee-test/global/networks/perigee-network"
  subnet_id  = "projects/perigee-test/regions/europe-west1/subnetworks/perigee-eu1-subnet"
}

run "it_is_reached_in_the_cells_subnet_and_in_tls" {
  assert {
    condition = (
      google_network_connectivity_service_connection_policy.this.service_class == "gcp-memorystore" &&
      google_network_connectivity_service_connection_policy.this.location == "europe-west1" &&
      google_network_connectivity_service_connection_policy.this.network == var.network_id &&
      tolist(google_network_connectivity_service_connection_policy.this.psc_config[0].subnetworks) == tolist([var.subnet_id])
    )
    error_message = "Memorystore makes its addresses in the cell's subnet by a policy of its class."
  }
  assert {
    condition     = google_memorystore_instance.this.desired_auto_created_endpoints[0].network == var.network_id && google_memorystore_instance.this.desired_auto_created_endpoints[0].project_id == var.project_id
    error_message = "It makes its own addresses."
  }
  assert {
    condition     = google_memorystore_instance.this.transit_encryption_mode == "SERVER_AUTHENTICATION"
    error_message = "Everything is in TLS."
  }
  assert {
    condition     = output.url == "rediss://10.0.0.2:6379" && output.host == "10.0.0.2" && output.port == 6379
    error_message = "The address is that of the discovery endpoint, for TLS."
  }
  assert {
    condition     = output.ca_pem == "-----BEGIN CERTIFICATE-----\nold\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nnew\n-----END CERTIFICATE-----"
    error_message = "Both authorities are trusted while one replaces the other."
  }
}

run "it_holds_what_can_be_lost_and_grows_in_place" {
  variables {
    shards              = 3
    replicas            = 2
    node_type           = "HIGHMEM_MEDIUM"
    deletion_protection = false
    labels              = { cell = "eu1" }
    maintenance_window  = { day = "SUNDAY", hour = 0 }
  }

  assert {
    condition     = google_memorystore_instance.this.instance_id == "perigee-eu1-cache" && google_memorystore_instance.this.location == "europe-west1"
    error_message = "It is named for its cell, in the region of its cell."
  }
  assert {
    condition     = google_memorystore_instance.this.mode == "CLUSTER" && google_memorystore_instance.this.shard_count == 3 && google_memorystore_instance.this.replica_count == 2 && google_memorystore_instance.this.node_type == "HIGHMEM_MEDIUM"
    error_message = "It is a cluster of what was asked for."
  }
  assert {
    condition     = google_memorystore_instance.this.persistence_config[0].mode == "DISABLED" && google_memorystore_instance.this.engine_configs["maxmemory-policy"] == "volatile-ttl"
    error_message = "Nothing is written down, and when it is full what is near its end goes first."
  }
  assert {
    condition     = google_memorystore_instance.this.zone_distribution_config[0].mode == "MULTI_ZONE"
    error_message = "A replica is in another zone."
  }
  assert {
    condition     = google_memorystore_instance.this.deletion_protection_enabled == false && google_memorystore_instance.this.labels == tomap({ cell = "eu1" })
    error_message = "Protection is taken away by saying so."
  }
  assert {
    condition     = google_memorystore_instance.this.maintenance_policy[0].weekly_maintenance_window[0].day == "SUNDAY" && google_memorystore_instance.this.maintenance_policy[0].weekly_maintenance_window[0].start_time[0].hours == 0
    error_message = "Nodes are replaced in the window."
  }
  assert {
    condition     = output.memory_gb == 19.5
    error_message = "The memory is that of all shards."
  }
}

run "it_is_protected_and_a_cluster_of_one_where_nothing_is_said" {
  command = plan

  assert {
    condition     = google_memorystore_instance.this.deletion_protection_enabled && google_memorystore_instance.this.mode == "CLUSTER" && google_memorystore_instance.this.shard_count == 1 && google_memorystore_instance.this.replica_count == 1
    error_message = "One shard with one replica, protected."
  }
}

run "a_network_is_named_as_memorystore_wants_it" {
  command = plan

  variables {
    network_id = "https://www.googleapis.com/compute/v1/projects/perigee-test/global/networks/perigee-network"
  }

  expect_failures = [var.network_id]
}

run "a_node_is_of_a_type_that_there_is" {
  command = plan

  variables {
    node_type = "STANDARD_1_SMALL"
  }

  expect_failures = [var.node_type]
}

run "there_is_a_shard" {
  command = plan

  variables {
    shards = 0
  }

  expect_failures = [var.shards]
}

run "a_shard_has_five_replicas_at_the_most" {
  command = plan

  variables {
    replicas = 6
  }

  expect_failures = [var.replicas]
}

run "the_engine_is_valkey" {
  command = plan

  variables {
    engine_version = "REDIS_7_2"
  }

  expect_failures = [var.engine_version]
}

run "a_window_is_on_a_day" {
  command = plan

  variables {
    maintenance_window = { day = "tuesday", hour = 4 }
  }

  expect_failures = [var.maintenance_window]
}

run "a_window_is_at_an_hour" {
  command = plan

  variables {
    maintenance_window = { day = "TUESDAY", hour = 24 }
  }

  expect_failures = [var.maintenance_window]
}

run "a_name_is_one_that_google_takes" {
  command = plan

  variables {
    name = "perigee-eu1-"
  }

  expect_failures = [var.name]
}
