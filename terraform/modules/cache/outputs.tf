output "host" {
  description = "The address of the discovery endpoint, in the cell's subnet."
  value       = local.discovery.ip_address
}

output "port" {
  description = "The port of the discovery endpoint."
  value       = local.discovery.port
}

output "url" {
  description = "REDIS_URL of the core; REDIS_CLUSTER is true with it."
  value       = "rediss://${local.discovery.ip_address}:${local.discovery.port}"
}

output "ca_pem" {
  description = "REDIS_CA of the core: the authorities of this instance in PEM, both of them while one replaces the other. No secret."
  value       = join("\n", flatten([for authority in google_memorystore_instance.this.managed_server_ca : [for chain in authority.ca_certs : [for certificate in chain.certificates : trimspace(certificate)]]]))
}

output "memory_gb" {
  description = "What all shards hold together, in GB."
  value       = var.shards * one(google_memorystore_instance.this.node_config).size_gb
}
