mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

mock_resource "google_compute_network" {
  defaults = {
    id = "projects/game-production/global/networks/perigee-network"
  }
}

mock_resource "google_compute_global_address" {
  defaults = {
    address = "203.0.113.1"
  }
}

mock_resource "google_memorystore_instance" {
  defaults = {
    endpoints = [{
      connections = [
        { psc_auto_connection = [{ connection_type = "CONNECTION_TYPE_DISCOVERY", ip_address = "10.0.0.2", port = 6379 }] },
      ]
    }]
    managed_server_ca = [{
      ca_certs = [{ certificates = ["-----BEGIN CERTIFICATE-----\nmocked\n-----END CERTIFICATE-----\n"] }]
    }]
    node_config = [{ size_gb = 6.5 }]
  }
}

mock_resource "google_certificate_manager_certificate_map" {
  defaults = {
    id = "projects/game-production/locations/global/certificateMaps/perigee-core"
  }
}

mock_resource "google_certificate_manager_dns_authorization" {
  defaults = {
    dns_resource_record = [{ name = "_acme-challenge.core.game.example.", type = "CNAME", data = "1234.authorize.certificatemanager.goog." }]
  }
}

mock_resource "google_compute_backend_service" {
  defaults = {
    id = "projects/game-production/global/backendServices/core"
  }
}

mock_resource "google_monitoring_slo" {
  defaults = {
    name = "projects/game-production/services/service/serviceLevelObjectives/objective"
  }
}
