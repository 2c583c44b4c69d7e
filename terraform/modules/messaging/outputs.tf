output "topics" {
  description = "What a topic is for (events, replication, dead-letters) -> its name."
  value       = { for key, topic in google_pubsub_topic.this : key => topic.name }
}

output "subscriptions" {
  description = "Name of each cell's subscriptions -> its cell, its consumer and the key of its topic."
  value = {
    for name, of in local.subscriptions : google_pubsub_subscription.this[name].name => {
      cell     = of.cell
      consumer = of.consumer
      topic    = of.topic
    }
  }
}

output "dead_letter_subscription" {
  description = "Name of the subscription in which dead letters wait for people."
  value       = google_pubsub_subscription.dead_letters.name
}

output "table" {
  description = "Table of all events, as project.dataset.table; null without analytics."
  value = one([
    for table in google_bigquery_table.events : join(".", [var.project_id, table.dataset_id, table.table_id])
  ])
}

output "views" {
  description = "Type of event -> the name of its view in the dataset; empty without analytics."
  value       = { for type, view in google_bigquery_table.view : type => view.table_id }
}
