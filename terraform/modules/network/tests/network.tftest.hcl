mock_provider "google" {
  mock_resource "google_compute_network" {
    defaults = { id = "projects/perigee-test/global/networks/perigee-network" }
  }
  mock_resource "google_compute_subnetwork" {
    defaults = { id = "projects/perigee-test/regions/some/subnetworks/subnet" }
  }
}

variables {
  name         = "perigee"
  project_id   = "perigee-test"
  peering_cidr = "10.255.0.0/16"
  regions = {
    us1 = { region = "us-east4", subnet_cidr = "10.0.1.0/24" }
    eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.0/24" }
  }
}

run "each_cell_has_a_subnet_of_its_own" {
  assert {
    condition     = keys(google_compute_subnetwork.this) == ["eu1", "us1"]
    error_message = "Subnets are named by their cells and not by their places."
  }
  assert {
    condition = alltrue([for cell, subnet in google_compute_subnetwork.this : (
      subnet.name == "perigee-${cell}-subnet" && subnet.network == google_compute_network.this.id &&
      subnet.region == var.regions[cell].region && subnet.ip_cidr_range == var.regions[cell].subnet_cidr
    )])
    error_message = "A subnet is in its cell's region, with its cell's range."
  }
  assert {
    condition     = alltrue([for subnet in google_compute_subnetwork.this : subnet.private_ip_google_access])
    error_message = "Google's APIs are reached without a public address."
  }
  assert {
    condition     = google_compute_network.this.name == "perigee-network" && google_compute_network.this.auto_create_subnetworks == false
    error_message = "The network has no subnets but those of the cells."
  }
  assert {
    condition     = output.network_id == google_compute_network.this.id && output.private_network == google_compute_network.this.id && keys(output.subnets) == ["eu1", "us1"]
    error_message = "Outputs are ids, by cell where there is one for each."
  }
  assert {
    condition     = output.instances_max == { eu1 = 125, us1 = 125 }
    error_message = "A /24 has room for 125 instances: two addresses each, but four for Google and two for Memorystore."
  }
}

run "cloud_sql_takes_its_addresses_from_the_range_that_is_named" {
  variables {
    labels = { app = "perigee" }
  }

  assert {
    condition = (
      google_compute_global_address.peering.purpose == "VPC_PEERING" && google_compute_global_address.peering.address_type == "INTERNAL" &&
      google_compute_global_address.peering.address == "10.255.0.0" && google_compute_global_address.peering.prefix_length == 16
    )
    error_message = "The reserved range is peering_cidr."
  }
  assert {
    condition     = google_compute_global_address.peering.network == google_compute_network.this.id && google_compute_global_address.peering.labels == tomap({ app = "perigee" })
    error_message = "The reserved range is the network's, with the deployment's labels."
  }
  assert {
    condition = (
      google_service_networking_connection.this.reserved_peering_ranges == tolist([google_compute_global_address.peering.name]) &&
      google_service_networking_connection.this.network == google_compute_network.this.id &&
      google_service_networking_connection.this.service == "servicenetworking.googleapis.com"
    )
    error_message = "The network is joined to Google's services by that range."
  }
  assert {
    condition     = google_service_networking_connection.this.deletion_policy == "ABANDON" && google_service_networking_connection.this.update_on_creation_fail
    error_message = "A connection that Google will not delete yet stops no destroy, and is taken over afterwards."
  }
}

run "one_region" {
  command = plan

  variables {
    regions      = { eu1 = { region = "europe-west1", subnet_cidr = "192.168.0.0/26" } }
    peering_cidr = "172.16.0.0/23"
  }

  assert {
    condition     = keys(google_compute_subnetwork.this) == ["eu1"] && output.instances_max == { eu1 = 29 }
    error_message = "A /26 has room for 29 instances."
  }
}

run "the_range_of_cloud_sql_begins_where_its_prefix_says" {
  command = plan

  variables {
    peering_cidr = "10.0.8.0/20"
  }

  expect_failures = [var.peering_cidr]
}

run "five_regions_whose_ranges_touch_do_not_overlap" {
  command = plan

  variables {
    regions = {
      ap1 = { region = "asia-northeast1", subnet_cidr = "10.0.2.0/23" }
      ap2 = { region = "australia-southeast1", subnet_cidr = "10.0.4.0/22" }
      eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.0/24" }
      sa1 = { region = "southamerica-east1", subnet_cidr = "10.0.1.0/25" }
      us1 = { region = "us-east4", subnet_cidr = "10.0.1.128/25" }
    }
    peering_cidr = "10.0.16.0/20"
  }

  assert {
    condition     = length(google_compute_subnetwork.this) == 5
    error_message = "There are five subnets."
  }
}

run "ranges_at_the_ends_of_what_is_private_touch_nobody" {
  command = plan

  variables {
    regions      = { eu1 = { region = "europe-west1", subnet_cidr = "192.168.255.0/24" } }
    peering_cidr = "10.0.0.0/8"
  }
}

run "a_subnet_of_this_machine_is_no_private_range" {
  command = plan

  variables {
    regions = { eu1 = { region = "europe-west1", subnet_cidr = "127.0.0.0/24" } }
  }

  expect_failures = [var.regions]
}

run "a_subnet_that_begins_in_a_private_range_lies_in_it" {
  command = plan

  variables {
    regions      = { eu1 = { region = "europe-west1", subnet_cidr = "192.168.0.0/15" } }
    peering_cidr = "10.0.0.0/16"
  }

  expect_failures = [var.regions]
}

run "what_cloud_sql_takes_lies_in_a_private_range" {
  command = plan

  variables {
    regions      = { eu1 = { region = "europe-west1", subnet_cidr = "192.168.0.0/24" } }
    peering_cidr = "10.0.0.0/7"
  }

  expect_failures = [var.peering_cidr]
}

run "equal_ranges_overlap" {
  command = plan

  variables {
    regions = {
      eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.0/24" }
      us1 = { region = "us-east4", subnet_cidr = "10.0.0.0/24" }
    }
  }

  expect_failures = [google_compute_network.this]
}

run "a_range_in_the_beginning_of_another_overlaps" {
  command = plan

  variables {
    regions = {
      eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.0/22" }
      us1 = { region = "us-east4", subnet_cidr = "10.0.0.0/24" }
    }
  }

  expect_failures = [google_compute_network.this]
}

run "a_range_in_the_end_of_another_overlaps" {
  command = plan

  variables {
    regions = {
      eu1 = { region = "europe-west1", subnet_cidr = "10.0.3.192/26" }
      us1 = { region = "us-east4", subnet_cidr = "10.0.0.0/22" }
    }
  }

  expect_failures = [google_compute_network.this]
}

run "a_subnet_does_not_overlap_what_cloud_sql_takes" {
  command = plan

  variables {
    regions = { eu1 = { region = "europe-west1", subnet_cidr = "10.255.255.0/24" } }
  }

  expect_failures = [google_compute_network.this]
}

run "nothing_overlaps_what_cloud_sql_keeps_to_itself" {
  command = plan

  variables {
    peering_cidr = "172.16.0.0/12"
  }

  expect_failures = [google_compute_network.this]
}

run "a_deployment_has_a_cell" {
  command = plan

  variables {
    regions = {}
  }

  expect_failures = [var.regions]
}

run "a_subnet_begins_where_its_prefix_says" {
  command = plan

  variables {
    regions = { eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.5/24" } }
  }

  expect_failures = [var.regions]
}

run "a_subnet_is_of_ipv4" {
  command = plan

  variables {
    regions = { eu1 = { region = "europe-west1", subnet_cidr = "fd00::/20" } }
  }

  expect_failures = [var.regions]
}

run "a_subnet_is_large_enough_for_cloud_run" {
  command = plan

  variables {
    regions = { eu1 = { region = "europe-west1", subnet_cidr = "10.0.0.0/27" } }
  }

  expect_failures = [var.regions]
}

run "the_range_of_cloud_sql_is_a_range" {
  command = plan

  variables {
    peering_cidr = "10.255.0.0"
  }

  expect_failures = [var.peering_cidr]
}

run "the_range_of_cloud_sql_is_private" {
  command = plan

  variables {
    peering_cidr = "100.64.0.0/16"
  }

  expect_failures = [var.peering_cidr]
}

run "the_range_of_cloud_sql_has_room_for_each_cell_and_its_replica" {
  command = plan

  variables {
    peering_cidr = "10.255.0.0/23"
  }

  expect_failures = [var.peering_cidr]
}

run "the_range_of_cloud_sql_that_is_just_large_enough_is_taken" {
  command = plan

  variables {
    peering_cidr = "10.255.0.0/22"
  }
}

run "a_name_is_one_that_google_takes" {
  command = plan

  variables {
    name = "Perigee"
  }

  expect_failures = [var.name]
}
