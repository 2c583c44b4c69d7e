# Workers publish: what waits in the outbox, what the control cell tells the others, and what a consumer refused. A cell that is no
# control cell sends a redriven letter through the same topic as the control cell did.
resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = merge([
    for topic in keys(local.topics) : {
      for cell, email in var.publishers : "${topic}/${cell}" => { topic = topic, email = email }
    }
  ]...)

  project = var.project_id
  topic   = google_pubsub_topic.this[each.value.topic].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${each.value.email}"
}

resource "google_pubsub_subscription_iam_member" "subscriber" {
  for_each = local.pushed ? {} : local.subscriptions

  project      = var.project_id
  subscription = google_pubsub_subscription.this[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.subscribers[each.value.cell]}"
}

# A dead letter is published to one topic and taken from one subscription, both by Pub/Sub itself. Without either of the two grants
# nothing fails: the message is delivered for ever.
resource "google_pubsub_topic_iam_member" "dead_letter_publisher" {
  project = var.project_id
  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.publisher"
  member  = local.service_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter_subscriber" {
  for_each = merge(
    { for name in keys(local.dead_lettered) : name => google_pubsub_subscription.this[name].name },
    { for key, subscription in google_pubsub_subscription.analytics : "${var.name}-analytics" => subscription.name },
  )

  project      = var.project_id
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = local.service_agent
}

resource "google_service_account_iam_member" "push_token_creator" {
  for_each = var.push == null ? {} : { push = var.push.service_account }

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.service_agent
}
