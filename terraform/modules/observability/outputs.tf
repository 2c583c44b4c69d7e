output "slos" {
  description = "`<cell>/<class>/<availability or latency>` -> full name of the objective."
  value       = { for key, slo in google_monitoring_slo.this : key => slo.name }
}

output "dashboard" {
  description = "Id of the dashboard."
  value       = google_monitoring_dashboard.this.id
}

output "channels" {
  description = "Address -> full name of its notification channel."
  value       = { for email, channel in google_monitoring_notification_channel.email : email => channel.name }
}
