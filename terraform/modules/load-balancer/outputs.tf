output "ip" {
  description = "The address that each of `hosts` is to resolve to."
  value       = google_compute_global_address.this.address
}

output "hosts" {
  description = "The host of each cell."
  value       = local.hosts
}

output "urls" {
  description = "Where each cell's core is reached through the load balancer."
  value       = { for cell, host in local.hosts : cell => "https://${host}" }
}

output "dns_authorization" {
  description = "The DNS record that proves the domain to be yours: name, type and data. Certificates come when it is there, and are renewed while it is."
  value = {
    name = google_certificate_manager_dns_authorization.this.dns_resource_record[0].name
    type = google_certificate_manager_dns_authorization.this.dns_resource_record[0].type
    data = google_certificate_manager_dns_authorization.this.dns_resource_record[0].data
  }
}
