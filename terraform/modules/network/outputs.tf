output "network_id" {
  description = "The network, as projects/<project>/global/networks/<name>."
  value       = google_compute_network.this.id
}

output "private_network" {
  description = "The same, for databases: known only once Cloud SQL can take addresses in it."
  value       = google_compute_network.this.id
  # Without it an instance is made before there is a range for it, and fails.
  depends_on = [google_service_networking_connection.this]
}

output "subnets" {
  description = "The subnet of each cell, for the egress of its services and for its Memorystore."
  value       = { for cell, subnet in google_compute_subnetwork.this : cell => subnet.id }
}

output "instances_max" {
  description = "How many instances of its services a cell's subnet has addresses for: two each, but the four that Google keeps and two of Memorystore."
  value       = { for cell, region in var.regions : cell => floor((pow(2, 32 - tonumber(split("/", region.subnet_cidr)[1])) - 6) / 2) }
}
