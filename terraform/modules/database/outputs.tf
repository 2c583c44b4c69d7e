output "private_ip" {
  description = "The address of the primary, in the range that the network lends to Cloud SQL."
  value       = google_sql_database_instance.primary.private_ip_address
}

output "replica_private_ip" {
  description = "The address of the read replica; null where there is none."
  value       = var.replica ? google_sql_database_instance.replica["replica"].private_ip_address : null
}

output "dr_instance" {
  description = "The name of the replica in the other region, which is what gets promoted; null where there is none."
  value       = var.dr_region == null ? null : google_sql_database_instance.replica["dr"].name
}

output "database" {
  description = "The name of the database."
  value       = google_sql_database.this.name
}

output "user" {
  description = "The account that cores and migrations connect as."
  value       = google_sql_user.this.name
}

output "max_connections" {
  description = "Connections that each instance takes."
  value       = var.max_connections
}

output "connection_name" {
  description = "The primary, as <project>:<region>:<name>."
  value       = google_sql_database_instance.primary.connection_name
}
