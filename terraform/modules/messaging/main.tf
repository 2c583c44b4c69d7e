locals {
  # Asked of what is known before a service has an address: what is there must not hang on that.
  pushed = var.push != null

  topics = { for key, part in var.topics : key => "${var.name}-${part}" }

  cells_of = {
    all       = keys(var.cells)
    control   = [var.control_cell]
    followers = [for cell in keys(var.cells) : cell if cell != var.control_cell]
  }

  # `<prefix>-<cell>-<consumer>`, which is what the core subscribes to and what it knows a pushed message by.
  subscriptions = merge([
    for consumer, of in var.subscriptions : {
      for cell in local.cells_of[of.cells] : "${var.name}-${cell}-${consumer}" => {
        topic    = of.topic
        cell     = cell
        consumer = consumer
        push_url = var.cells[cell].push_url
      }
    }
  ]...)

  # What refuses a dead letter gets it again: the policy would put it back into the topic that it came from.
  dead_lettered = { for name, of in local.subscriptions : name => of if of.topic != "dead-letters" }

  # What waits for people, or for a table, waits for as long as Pub/Sub allows.
  backlog_retention = "${31 * 86400}s"

  service_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

data "google_project" "this" {
  project_id = var.project_id
}

resource "google_pubsub_topic" "this" {
  for_each = local.topics

  project                    = var.project_id
  name                       = each.value
  labels                     = var.labels
  message_retention_duration = "${var.retention_days * 86400}s"
  deletion_policy            = var.deletion_protection ? "PREVENT" : "DELETE"

  message_storage_policy {
    allowed_persistence_regions = var.storage_regions
    enforce_in_transit          = var.enforce_in_transit
  }
}

resource "google_pubsub_subscription" "this" {
  for_each = local.subscriptions

  project                 = var.project_id
  name                    = each.key
  topic                   = google_pubsub_topic.this[each.value.topic].id
  labels                  = merge(var.labels, { cell = each.value.cell })
  enable_message_ordering = true
  # A pushed message may be held for five seconds while what its consumer works on is away, and then be worked on.
  ack_deadline_seconds = 30
  # A receipt in a cell's inbox lives for as long as a dead letter and this: an event that came later would act twice.
  message_retention_duration = "${7 * 86400}s"

  # Without this a subscription that nobody took from for a month is deleted, and with it what waits there.
  expiration_policy {
    ttl = ""
  }

  # What is pulled is held by the core while what a consumer works on is away. What is pushed cannot be, and is counted, so its ten
  # deliveries are to outlast an outage.
  retry_policy {
    minimum_backoff = local.pushed ? "10s" : "0.1s"
    maximum_backoff = local.pushed ? "600s" : "10s"
  }

  dynamic "dead_letter_policy" {
    for_each = each.value.topic == "dead-letters" ? [] : [1]

    content {
      dead_letter_topic = google_pubsub_topic.this["dead-letters"].id
      # The core gives up after ten, with a reason. This is for what kills whoever takes it.
      max_delivery_attempts = 100
    }
  }

  # Wrapped, as the core reads them.
  dynamic "push_config" {
    for_each = local.pushed ? [1] : []

    content {
      push_endpoint = "${each.value.push_url}${var.push_path}"

      oidc_token {
        service_account_email = var.push.service_account
        audience              = var.push.audience
      }
    }
  }
}

# For people: every dead letter, also of a cell that is gone, until somebody has looked.
resource "google_pubsub_subscription" "dead_letters" {
  project                    = var.project_id
  name                       = "${local.topics["dead-letters"]}-inspect"
  topic                      = google_pubsub_topic.this["dead-letters"].id
  labels                     = var.labels
  ack_deadline_seconds       = 600
  message_retention_duration = local.backlog_retention

  expiration_policy {
    ttl = ""
  }
}
