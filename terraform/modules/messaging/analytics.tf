locals {
  analytics = var.analytics == null ? {} : { events = var.analytics }
  dataset   = "${replace(var.name, "-", "_")}_events"
  views     = var.analytics == null ? {} : var.events

  # How a member of an event is read from its JSON. What does not fit is null, so that one odd event spoils no query.
  readers = {
    string  = "JSON_VALUE(data, '$.%s')"
    integer = "SAFE_CAST(JSON_VALUE(data, '$.%s') AS INT64)"
    time    = "SAFE_CAST(JSON_VALUE(data, '$.%s') AS TIMESTAMP)"
    json    = "JSON_QUERY(data, '$.%s')"
  }

  # A member that is named as a column of every view is told apart by `data_`.
  columns = ["event_id", "source", "subject", "version", "occurred_at", "published_at"]
  view_columns = {
    for type, members in local.views : type => [
      for member, kind in members : {
        name = join("", [
          contains(local.columns, lower(replace(member, "/([A-Z])/", "_$1"))) ? "data_" : "",
          lower(replace(member, "/([A-Z])/", "_$1")),
        ])
        value = format(local.readers[kind], member)
      }
    ]
  }
}

resource "google_bigquery_dataset" "this" {
  for_each = local.analytics

  project                    = var.project_id
  dataset_id                 = local.dataset
  location                   = each.value.location
  description                = "Every event that left ${var.name}, and a view for each type."
  labels                     = var.labels
  delete_contents_on_destroy = false
}

# The columns that a subscription writes which has no schema: the data as it was published, and what Pub/Sub knows of the message.
resource "google_bigquery_table" "events" {
  for_each = local.analytics

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.this[each.key].dataset_id
  table_id            = "events"
  description         = "Events as they were published, at least once each: count by the attribute ce-id."
  labels              = var.labels
  deletion_protection = var.deletion_protection

  # A question without a time would read, and cost, all that ever happened.
  require_partition_filter = true

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = each.value.retention_days * 86400000
  }

  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE", description = "Subscription that wrote it." },
    { name = "message_id", type = "STRING", mode = "NULLABLE", description = "Of Pub/Sub; another on each publishing." },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE", description = "When Pub/Sub took it." },
    { name = "data", type = "JSON", mode = "NULLABLE", description = "The event's data." },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "CloudEvents attributes, ce-id and ce-type among them." },
  ])
}

resource "google_bigquery_table_iam_member" "writer" {
  for_each = local.analytics

  project    = var.project_id
  dataset_id = google_bigquery_dataset.this[each.key].dataset_id
  table_id   = google_bigquery_table.events[each.key].table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.service_agent
}

resource "google_pubsub_subscription" "analytics" {
  for_each = local.analytics

  project                    = var.project_id
  name                       = "${var.name}-analytics"
  topic                      = google_pubsub_topic.this["events"].id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = local.backlog_retention

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # What cannot be written is seen there, among the letters that people look at.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["dead-letters"].id
    max_delivery_attempts = 100
  }

  bigquery_config {
    table          = join(".", [var.project_id, google_bigquery_dataset.this[each.key].dataset_id, google_bigquery_table.events[each.key].table_id])
    write_metadata = true
  }

  # Pub/Sub writes a row as a try when the subscription is made, and refuses to make it where it may not.
  depends_on = [google_bigquery_table_iam_member.writer]
}

resource "google_bigquery_table" "view" {
  for_each = local.views

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.this["events"].dataset_id
  table_id            = replace(trimprefix(each.key, "perigee."), ".", "_")
  description         = "Events of type ${each.key}."
  labels              = var.labels
  deletion_protection = false

  view {
    use_legacy_sql = false
    query = templatefile("${path.module}/view.sql.tftpl", {
      type    = each.key
      table   = join(".", [var.project_id, google_bigquery_dataset.this["events"].dataset_id, google_bigquery_table.events["events"].table_id])
      columns = local.view_columns[each.key]
    })
  }
}
