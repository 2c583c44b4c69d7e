mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  name         = "perigee"
  project_id   = "perigee-test"
  control_cell = "eu1"
  cells = {
    eu1 = { region = "europe-west1", push_url = "https://eu1.example.com" }
    us1 = { region = "us-central1", push_url = "https://us1.example.com" }
  }
  topics = { events = "events", replication = "replication", dead-letters = "dead-letters" }
  subscriptions = {
    invalidate       = { topic = "events", cells = "all" }
    move-credentials = { topic = "events", cells = "followers" }
    replicate        = { topic = "replication", cells = "followers" }
    announce         = { topic = "events", cells = "control" }
    dead-letters     = { topic = "dead-letters", cells = "all" }
  }
  push            = { service_account = "perigee-push@perigee-test.iam.gserviceaccount.com", audience = "https://perigee.example.com" }
  push_path       = "/internal/events"
  publishers      = { eu1 = "eu1@perigee-test.iam.gserviceaccount.com", us1 = "us1@perigee-test.iam.gserviceaccount.com" }
  storage_regions = ["us-central1", "europe-west1"]
  analytics       = { location = "EU" }
  events = {
    "perigee.player.created.v1" = { playerId = "string", displayName = "string" }
    "perigee.wallet.changed.v1" = { playerId = "string", changes = "json", version = "integer", endsAt = "time" }
  }
}

run "two_cells" {
  assert {
    condition = toset(keys(google_pubsub_subscription.this)) == toset([
      "perigee-eu1-invalidate", "perigee-eu1-announce", "perigee-eu1-dead-letters",
      "perigee-us1-invalidate", "perigee-us1-move-credentials", "perigee-us1-replicate", "perigee-us1-dead-letters",
    ])
    error_message = "Subscriptions are not those of the cells that have them."
  }

  assert {
    condition     = { for key, topic in google_pubsub_topic.this : key => topic.name } == { events = "perigee-events", replication = "perigee-replication", dead-letters = "perigee-dead-letters" }
    error_message = "Topics are not named by prefix and part."
  }

  assert {
    condition = alltrue([
      for topic in google_pubsub_topic.this :
      topic.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west1", "us-central1"]) &&
      topic.message_storage_policy[0].enforce_in_transit && topic.deletion_policy == "PREVENT" && topic.message_retention_duration == "604800s"
    ])
    error_message = "A topic may store elsewhere, or be destroyed."
  }

  assert {
    condition = alltrue([
      for subscription in concat(values(google_pubsub_subscription.this), values(google_pubsub_subscription.analytics), [google_pubsub_subscription.dead_letters]) :
      length(subscription.expiration_policy) == 1 && alltrue([for policy in subscription.expiration_policy : policy.ttl == ""])
    ])
    error_message = "A subscription expires."
  }

  assert {
    condition = alltrue([
      for subscription in google_pubsub_subscription.this :
      subscription.enable_message_ordering && subscription.message_retention_duration == "604800s" &&
      subscription.retry_policy[0].minimum_backoff == "10s" && subscription.retry_policy[0].maximum_backoff == "600s"
    ])
    error_message = "A subscription of a cell has no order, or gives up within an outage, or keeps events for longer than receipts of them."
  }

  assert {
    condition = alltrue([
      for name, subscription in google_pubsub_subscription.this :
      subscription.topic == google_pubsub_topic.this[var.subscriptions[join("-", slice(split("-", name), 2, length(split("-", name))))].topic].id
    ])
    error_message = "A subscription is of another topic than its consumer's."
  }

  assert {
    condition = alltrue([
      for name, subscription in google_pubsub_subscription.this :
      subscription.push_config[0].push_endpoint == "https://${split("-", name)[1]}.example.com/internal/events" &&
      subscription.push_config[0].oidc_token[0].service_account_email == "perigee-push@perigee-test.iam.gserviceaccount.com" &&
      subscription.push_config[0].oidc_token[0].audience == "https://perigee.example.com" &&
      length(subscription.push_config[0].no_wrapper) == 0
    ])
    error_message = "Events are not pushed to their cell, wrapped and with a token."
  }
}

run "dead_letters" {
  assert {
    condition = alltrue([
      for name, subscription in google_pubsub_subscription.this :
      endswith(name, "-dead-letters") ? length(subscription.dead_letter_policy) == 0 : (
        subscription.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.this["dead-letters"].id &&
        subscription.dead_letter_policy[0].max_delivery_attempts == 100
      )
    ])
    error_message = "A subscription has no dead-letter topic, or a dead letter goes back to where it came from."
  }

  assert {
    condition = (
      google_pubsub_topic_iam_member.dead_letter_publisher.topic == "perigee-dead-letters" &&
      google_pubsub_topic_iam_member.dead_letter_publisher.role == "roles/pubsub.publisher" &&
      google_pubsub_topic_iam_member.dead_letter_publisher.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub may not publish dead letters."
  }

  assert {
    condition = toset([
      for subscription in concat(values(google_pubsub_subscription.this), values(google_pubsub_subscription.analytics)) :
      subscription.name if length(subscription.dead_letter_policy) > 0
      ]) == toset([
      for grant in google_pubsub_subscription_iam_member.dead_letter_subscriber : grant.subscription
      if grant.role == "roles/pubsub.subscriber" && grant.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    ])
    error_message = "Pub/Sub may not take a dead letter from the subscription that it leaves."
  }

  assert {
    condition = (
      google_pubsub_subscription.dead_letters.topic == google_pubsub_topic.this["dead-letters"].id &&
      length(google_pubsub_subscription.dead_letters.push_config) == 0 &&
      output.dead_letter_subscription == google_pubsub_subscription.dead_letters.name
    )
    error_message = "Dead letters wait for nobody."
  }

  assert {
    condition = alltrue([
      for cell in keys(var.cells) :
      google_pubsub_subscription.this["perigee-${cell}-dead-letters"].topic == google_pubsub_topic.this["dead-letters"].id
    ])
    error_message = "A cell does not file its dead letters."
  }
}

run "access" {
  assert {
    condition = {
      for key, grant in google_pubsub_topic_iam_member.publisher : key => "${grant.topic} ${grant.role} ${grant.member}"
      } == merge([
        for key, part in var.topics : {
          for cell, email in var.publishers : "${key}/${cell}" => "perigee-${part} roles/pubsub.publisher serviceAccount:${email}"
        }
    ]...)
    error_message = "Others than the cells' publishers may publish, or one may not."
  }

  assert {
    condition     = length(google_pubsub_subscription_iam_member.subscriber) == 0
    error_message = "Somebody may pull what is pushed."
  }

  assert {
    condition = (
      google_service_account_iam_member.push_token_creator["push"].service_account_id == "projects/perigee-test/serviceAccounts/perigee-push@perigee-test.iam.gserviceaccount.com" &&
      google_service_account_iam_member.push_token_creator["push"].role == "roles/iam.serviceAccountOpenIdTokenCreator" &&
      google_service_account_iam_member.push_token_creator["push"].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub cannot make the tokens that it pushes with."
  }
}

run "analytics" {
  assert {
    condition     = google_bigquery_dataset.this["events"].location == "EU" && google_bigquery_dataset.this["events"].dataset_id == "perigee_events"
    error_message = "The dataset is elsewhere."
  }

  assert {
    condition = (
      google_bigquery_table.events["events"].deletion_protection &&
      google_bigquery_table.events["events"].require_partition_filter &&
      google_bigquery_table.events["events"].time_partitioning[0].field == "publish_time" &&
      google_bigquery_table.events["events"].time_partitioning[0].expiration_ms == 34560000000
    )
    error_message = "The table is not partitioned, or keeps for ever, or may be destroyed."
  }

  assert {
    condition = {
      for column in jsondecode(google_bigquery_table.events["events"].schema) : column.name => column.type
    } == { subscription_name = "STRING", message_id = "STRING", publish_time = "TIMESTAMP", data = "JSON", attributes = "JSON" }
    error_message = "The columns are not those that Pub/Sub writes."
  }

  assert {
    condition = (
      google_pubsub_subscription.analytics["events"].bigquery_config[0].table == "perigee-test.perigee_events.events" &&
      google_pubsub_subscription.analytics["events"].bigquery_config[0].write_metadata &&
      google_pubsub_subscription.analytics["events"].topic == google_pubsub_topic.this["events"].id &&
      output.table == "perigee-test.perigee_events.events"
    )
    error_message = "Events are not written to the table."
  }

  assert {
    condition = (
      google_bigquery_table_iam_member.writer["events"].role == "roles/bigquery.dataEditor" &&
      google_bigquery_table_iam_member.writer["events"].table_id == "events" &&
      google_bigquery_table_iam_member.writer["events"].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub may not write to the table."
  }

  assert {
    condition     = output.views == { "perigee.player.created.v1" = "player_created_v1", "perigee.wallet.changed.v1" = "wallet_changed_v1" }
    error_message = "A type has no view, or the view another name."
  }

  assert {
    condition     = google_bigquery_table.view["perigee.player.created.v1"].view[0].query == file("tests/player-created.sql")
    error_message = "The view of an event reads otherwise than tests/player-created.sql."
  }

  assert {
    condition = alltrue([
      for line in [
        "JSON_VALUE(data, '$.playerId') AS `player_id`",
        "JSON_QUERY(data, '$.changes') AS `changes`",
        "SAFE_CAST(JSON_VALUE(data, '$.version') AS INT64) AS `data_version`",
        "SAFE_CAST(JSON_VALUE(data, '$.endsAt') AS TIMESTAMP) AS `ends_at`",
      ] : strcontains(google_bigquery_table.view["perigee.wallet.changed.v1"].view[0].query, line)
    ])
    error_message = "A member is not read as what it is."
  }
}

run "no_analytics" {
  variables {
    analytics = null
  }

  assert {
    condition = (
      length(google_pubsub_subscription.analytics) + length(google_bigquery_dataset.this) + length(google_bigquery_table.events) +
      length(google_bigquery_table.view) + length(google_bigquery_table_iam_member.writer) == 0 && output.table == null
    )
    error_message = "Something of the table is there without it."
  }

  assert {
    condition     = length(google_pubsub_subscription_iam_member.dead_letter_subscriber) == 5
    error_message = "A subscription is left without its grant."
  }
}

run "keeps_events_for_another_time" {
  variables {
    analytics = { location = "EU", retention_days = 30 }
  }

  assert {
    condition     = google_bigquery_table.events["events"].time_partitioning[0].expiration_ms == 2592000000
    error_message = "Events are kept for another time than is said."
  }
}

run "refuses_to_keep_no_event" {
  command = plan
  variables {
    analytics = { location = "EU", retention_days = 0 }
  }
  expect_failures = [var.analytics]
}

run "one_cell_that_pulls" {
  variables {
    cells           = { eu1 = { region = "europe-west1" } }
    push            = null
    publishers      = { eu1 = "worker@perigee-test.iam.gserviceaccount.com" }
    subscribers     = { eu1 = "worker@perigee-test.iam.gserviceaccount.com" }
    storage_regions = ["europe-west1"]
    analytics       = null

    deletion_protection = false
    enforce_in_transit  = false
  }

  assert {
    condition     = toset(keys(google_pubsub_subscription.this)) == toset(["perigee-eu1-invalidate", "perigee-eu1-announce", "perigee-eu1-dead-letters"])
    error_message = "A cell alone follows somebody."
  }

  assert {
    condition = alltrue([
      for subscription in google_pubsub_subscription.this :
      length(subscription.push_config) == 0 && subscription.retry_policy[0].minimum_backoff == "0.1s" && subscription.retry_policy[0].maximum_backoff == "10s"
    ])
    error_message = "Events are pushed to nobody, or a refused one waits as if they were."
  }

  assert {
    condition = {
      for key, grant in google_pubsub_subscription_iam_member.subscriber : key => "${grant.subscription} ${grant.role} ${grant.member}"
      } == {
      for name in keys(google_pubsub_subscription.this) : name => "${name} roles/pubsub.subscriber serviceAccount:worker@perigee-test.iam.gserviceaccount.com"
    }
    error_message = "The worker may not take its events, or others may."
  }

  assert {
    condition     = length(google_service_account_iam_member.push_token_creator) == 0
    error_message = "Tokens are made for nobody."
  }

  assert {
    condition = alltrue([
      for topic in google_pubsub_topic.this : topic.deletion_policy == "DELETE" && !topic.message_storage_policy[0].enforce_in_transit
    ])
    error_message = "A flag changes nothing."
  }
}

run "five_cells" {
  variables {
    cells = {
      for cell, region in { ap1 = "asia-east1", ap2 = "asia-south1", eu1 = "europe-west1", us1 = "us-central1", us2 = "us-east1" } :
      cell => { region = region, push_url = "https://${cell}.example.com" }
    }
    publishers      = { for cell in ["ap1", "ap2", "eu1", "us1", "us2"] : cell => "${cell}@perigee-test.iam.gserviceaccount.com" }
    storage_regions = ["asia-east1", "asia-south1", "europe-west1", "us-central1", "us-east1"]
  }

  assert {
    condition     = length(google_pubsub_subscription.this) == 5 * 2 + 4 * 2 + 1
    error_message = "Five cells have other subscriptions than those of all, of followers and of the control cell."
  }

  assert {
    condition     = length(google_pubsub_subscription_iam_member.dead_letter_subscriber) == 5 + 4 * 2 + 1 + 1
    error_message = "A subscription of five cells is left without its grant."
  }
}

# As on the first apply, when no service has an address and no account a name.
run "plans_before_anything_is_there" {
  command = plan
  module {
    source = "./tests/unknown"
  }

  assert {
    condition     = length(output.subscriptions) == 3
    error_message = "What there is hangs on what is not known yet."
  }
}

# What the code says, by the file that is made from it.
run "contract" {
  variables {
    topics        = jsondecode(file("../../contract.json")).topics
    subscriptions = jsondecode(file("../../contract.json")).subscriptions
    push_path     = jsondecode(file("../../contract.json")).paths.events
    events        = jsondecode(file("../../contract.json")).events
  }

  assert {
    condition = toset(keys(google_pubsub_subscription.this)) == toset([
      "perigee-eu1-invalidate", "perigee-eu1-move-belongings", "perigee-eu1-dead-letters",
      "perigee-us1-invalidate", "perigee-us1-move-belongings", "perigee-us1-move-credentials", "perigee-us1-replicate", "perigee-us1-dead-letters",
    ])
    error_message = "The code subscribes to other names."
  }

  assert {
    condition     = toset(keys(google_bigquery_table.view)) == toset(keys(jsondecode(file("../../contract.json")).events))
    error_message = "An event has no view."
  }
}

run "refuses_a_name" {
  command = plan
  variables {
    name = "Perigee_"
  }
  expect_failures = [var.name]
}

run "refuses_what_is_no_cell" {
  command = plan
  variables {
    cells      = { eu = { region = "europe-west1", push_url = "https://eu.example.com" } }
    publishers = { eu = "eu@perigee-test.iam.gserviceaccount.com" }
  }
  expect_failures = [var.cells]
}

run "refuses_an_unknown_control_cell" {
  command = plan
  variables {
    control_cell = "ap1"
  }
  expect_failures = [var.control_cell]
}

run "refuses_an_address_with_a_path" {
  command = plan
  variables {
    cells      = { eu1 = { region = "europe-west1", push_url = "https://eu1.example.com/" } }
    publishers = { eu1 = "eu1@perigee-test.iam.gserviceaccount.com" }
  }
  expect_failures = [var.cells]
}

run "refuses_two_topics_of_one_name" {
  command = plan
  variables {
    topics = { events = "events", replication = "events", dead-letters = "dead-letters" }
  }
  expect_failures = [var.topics]
}

run "refuses_an_unknown_topic" {
  command = plan
  variables {
    subscriptions = { invalidate = { topic = "event", cells = "all" }, dead-letters = { topic = "dead-letters", cells = "all" } }
  }
  expect_failures = [var.subscriptions]
}

run "refuses_unknown_cells" {
  command = plan
  variables {
    subscriptions = { invalidate = { topic = "events", cells = "some" }, dead-letters = { topic = "dead-letters", cells = "all" } }
  }
  expect_failures = [var.subscriptions]
}

run "refuses_dead_letters_without_a_subscription" {
  command = plan
  variables {
    subscriptions = { invalidate = { topic = "events", cells = "all" }, dead-letters = { topic = "dead-letters", cells = "control" } }
  }
  expect_failures = [var.subscriptions]
}

run "refuses_to_push_to_nowhere" {
  command = plan
  variables {
    cells = { eu1 = { region = "europe-west1", push_url = "https://eu1.example.com" }, us1 = { region = "us-central1" } }
  }
  expect_failures = [var.push]
}

run "refuses_a_path_without_a_slash" {
  command = plan
  variables {
    push_path = "internal/events"
  }
  expect_failures = [var.push_path]
}

run "refuses_a_cell_without_a_publisher" {
  command = plan
  variables {
    publishers = { eu1 = "eu1@perigee-test.iam.gserviceaccount.com" }
  }
  expect_failures = [var.publishers]
}

run "refuses_a_cell_that_nobody_pulls_for" {
  command = plan
  variables {
    push = null
  }
  expect_failures = [var.subscribers]
}

run "refuses_a_cell_outside_of_the_storage" {
  command = plan
  variables {
    storage_regions = ["europe-west1"]
  }
  expect_failures = [var.storage_regions]
}

run "refuses_to_keep_for_too_long" {
  command = plan
  variables {
    retention_days = 32
  }
  expect_failures = [var.retention_days]
}

run "refuses_an_event_by_another_name" {
  command = plan
  variables {
    events = { "player.created" = { playerId = "string" } }
  }
  expect_failures = [var.events]
}

run "refuses_a_member_of_an_unknown_kind" {
  command = plan
  variables {
    events = { "perigee.player.created.v1" = { playerId = "uuid" } }
  }
  expect_failures = [var.events]
}
