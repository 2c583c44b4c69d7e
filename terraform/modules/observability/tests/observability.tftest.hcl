mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  mock_resource "google_monitoring_slo" {
    defaults = { name = "projects/perigee-test/services/service/serviceLevelObjectives/objective" }
  }
}

variables {
  name                     = "perigee"
  project_id               = "perigee-test"
  cells                    = { eu1 = { region = "europe-west1" }, us1 = { region = "us-central1" } }
  dead_letter_subscription = "perigee-dead-letters-inspect"
  notification_emails      = ["on-call@example.com"]
  paging_channels          = ["projects/perigee-test/notificationChannels/1"]
  documentation_url        = "https://example.com/perigee"
  budget                   = { billing_account = "0A1B2C-3D4E5F-012345", amount = 500, currency = "EUR" }
  alerts = [
    { name = "cell-away", metric = "perigee.dependency.up", attributes = { "perigee.dependency" = "cell-*" }, condition = { below = 1 }, forSeconds = 15, severity = "page", runbook = "docs/runbooks/alerts.md#cell-away" },
    { name = "core-silent", metric = "perigee.dependency.up", attributes = {}, condition = { absentSeconds = 45 }, forSeconds = 0, severity = "page", runbook = "docs/runbooks/alerts.md#core-silent" },
    { name = "outbox-waits", metric = "perigee.outbox.oldest.age", attributes = {}, condition = { above = 30 }, forSeconds = 45, severity = "page", runbook = "docs/runbooks/alerts.md#outbox-waits" },
    { name = "consumer-fails", metric = "perigee.consumer.deliveries", attributes = { "perigee.outcome" = "failed" }, condition = { perSecondAbove = 1 }, forSeconds = 30, severity = "ticket", runbook = "docs/runbooks/alerts.md#consumer-fails" },
    { name = "internal-errors", metric = "http.server.request.duration", attributes = { "error.type" = "internal" }, condition = { perSecondAbove = 0.1 }, forSeconds = 30, severity = "ticket", runbook = "docs/runbooks/alerts.md#internal-errors" },
  ]
}

run "plans_before_anything_is_there" {
  command = plan

  assert {
    condition     = length(google_monitoring_alert_policy.burn) == 48 && length(google_billing_budget.this) == 1
    error_message = "What there is hangs on what is not known yet."
  }
}

# The first apply of a deployment: Cloud Monitoring takes no objective on a metric that nobody has written yet.
run "no_objectives" {
  command = plan

  variables {
    objectives = {}
  }

  assert {
    condition     = length(google_monitoring_slo.this) == 0 && length(google_monitoring_alert_policy.burn) == 0 && length(google_monitoring_alert_policy.rule) == 5
    error_message = "Without objectives there are some, or no alerts."
  }
}

run "rules" {
  assert {
    condition = { for name, policy in google_monitoring_alert_policy.rule : name => policy.conditions[0].condition_prometheus_query_language[0].query } == {
      cell-away       = "min by (namespace, perigee_dependency) (perigee_dependency_up_ratio{cluster=\"perigee\",perigee_dependency=~\"cell-.*\"}) < 1"
      core-silent     = "absent_over_time(perigee_dependency_up_ratio{cluster=\"perigee\",namespace=\"eu1\"}[60s]) or absent_over_time(perigee_dependency_up_ratio{cluster=\"perigee\",namespace=\"us1\"}[60s])"
      outbox-waits    = "max by (namespace) (perigee_outbox_oldest_age_seconds{cluster=\"perigee\"}) > 30"
      consumer-fails  = "max by (namespace, perigee_outcome) (rate(perigee_consumer_deliveries_total{cluster=\"perigee\",perigee_outcome=\"failed\"}[1m])) > 1"
      internal-errors = "max by (namespace, error_type) (rate(http_server_request_duration_seconds_count{cluster=\"perigee\",error_type=\"internal\"}[1m])) > 0.1"
    }
    error_message = "A rule asks for something else than it says."
  }

  assert {
    condition = { for name, policy in google_monitoring_alert_policy.rule : name => policy.conditions[0].condition_prometheus_query_language[0].duration } == {
      cell-away = "30s", core-silent = "0s", outbox-waits = "60s", consumer-fails = "30s", internal-errors = "30s"
    }
    error_message = "A rule holds for another time."
  }

  assert {
    condition = alltrue([
      for rule in var.alerts :
      google_monitoring_alert_policy.rule[rule.name].user_labels.severity == rule.severity &&
      google_monitoring_alert_policy.rule[rule.name].severity == (rule.severity == "page" ? "CRITICAL" : "WARNING") &&
      strcontains(google_monitoring_alert_policy.rule[rule.name].documentation[0].content, rule.runbook) &&
      google_monitoring_alert_policy.rule[rule.name].documentation[0].links[0].url == "https://example.com/perigee/${rule.runbook}" &&
      google_monitoring_alert_policy.rule[rule.name].conditions[0].condition_prometheus_query_language[0].disable_metric_validation &&
      contains(google_monitoring_alert_policy.rule[rule.name].notification_channels, google_monitoring_notification_channel.email["on-call@example.com"].name) &&
      contains(google_monitoring_alert_policy.rule[rule.name].notification_channels, "projects/perigee-test/notificationChannels/1") == (rule.severity == "page")
    ])
    error_message = "A rule has another severity, runbook or channel."
  }
}

run "objectives" {
  assert {
    condition = toset(keys(google_monitoring_slo.this)) == toset(flatten([
      for cell in ["eu1", "us1"] : [for class in ["sign-in", "write", "read", "batch"] : [for kind in ["availability", "latency"] : "${cell}/${class}/${kind}"]]
    ]))
    error_message = "A class of a cell has no objective."
  }

  assert {
    condition = (
      google_monitoring_slo.this["us1/write/availability"].goal == 0.999 &&
      google_monitoring_slo.this["us1/write/availability"].rolling_period_days == 28 &&
      google_monitoring_slo.this["us1/write/availability"].service == "perigee-us1" &&
      google_monitoring_slo.this["us1/write/availability"].request_based_sli[0].good_total_ratio[0].good_service_filter == "metric.type=\"prometheus.googleapis.com/perigee_requests_total/counter\" resource.type=\"prometheus_target\" resource.labels.cluster=\"perigee\" resource.labels.namespace=\"us1\" metric.labels.perigee_load_class=\"write\" metric.labels.perigee_outcome=\"answered\"" &&
      google_monitoring_slo.this["us1/write/availability"].request_based_sli[0].good_total_ratio[0].total_service_filter == "metric.type=\"prometheus.googleapis.com/perigee_requests_total/counter\" resource.type=\"prometheus_target\" resource.labels.cluster=\"perigee\" resource.labels.namespace=\"us1\" metric.labels.perigee_load_class=\"write\"" &&
      length(google_monitoring_slo.this["us1/write/availability"].request_based_sli[0].distribution_cut) == 0
    )
    error_message = "An objective of availability looks at something else."
  }

  assert {
    condition = (
      google_monitoring_slo.this["eu1/read/latency"].goal == 0.99 &&
      google_monitoring_slo.this["eu1/read/latency"].request_based_sli[0].distribution_cut[0].distribution_filter == "metric.type=\"prometheus.googleapis.com/http_server_request_duration_seconds/histogram\" resource.type=\"prometheus_target\" resource.labels.cluster=\"perigee\" resource.labels.namespace=\"eu1\" metric.labels.perigee_load_class=\"read\"" &&
      google_monitoring_slo.this["eu1/read/latency"].request_based_sli[0].distribution_cut[0].range[0].max == 0.25 &&
      length(google_monitoring_slo.this["eu1/read/latency"].request_based_sli[0].good_total_ratio) == 0
    )
    error_message = "An objective of latency looks at something else."
  }

  assert {
    condition     = output.slos["eu1/read/latency"] == google_monitoring_slo.this["eu1/read/latency"].name
    error_message = "The output names other objectives."
  }
}

run "burns" {
  assert {
    condition     = length(google_monitoring_alert_policy.burn) == 2 * 4 * 2 * 3
    error_message = "An objective has no alert for each speed."
  }

  assert {
    condition = alltrue([
      for key, policy in google_monitoring_alert_policy.burn :
      policy.combiner == "AND" && length(policy.conditions) == 2 &&
      { for condition in policy.conditions : condition.condition_threshold[0].filter => condition.condition_threshold[0].threshold_value } == {
        for window in { fast = ["3600s", "300s"], medium = ["21600s", "1800s"], slow = ["86400s", "7200s"] }[split("/", key)[3]] :
        "select_slo_burn_rate(\"projects/perigee-test/services/service/serviceLevelObjectives/objective\", \"${window}\")" => { fast = 14.4, medium = 6, slow = 3 }[split("/", key)[3]]
      }
    ])
    error_message = "A pair of windows is another, or one of the two is enough."
  }

  assert {
    condition = alltrue([
      for key, policy in google_monitoring_alert_policy.burn :
      policy.user_labels.severity == (endswith(key, "/slow") ? "ticket" : "page") &&
      contains(policy.notification_channels, "projects/perigee-test/notificationChannels/1") != endswith(key, "/slow")
    ])
    error_message = "What burns slowly wakes somebody, or what burns fast does not."
  }
}

run "queues" {
  assert {
    condition = (
      strcontains(google_monitoring_alert_policy.dead_letters.conditions[0].condition_threshold[0].filter, "subscription/num_undelivered_messages") &&
      strcontains(google_monitoring_alert_policy.dead_letters.conditions[0].condition_threshold[0].filter, "subscription_id=\"perigee-dead-letters-inspect\"") &&
      google_monitoring_alert_policy.dead_letters.conditions[0].condition_threshold[0].threshold_value == 0
    )
    error_message = "A dead letter tells nobody."
  }

  assert {
    condition = (
      strcontains(google_monitoring_alert_policy.lag.conditions[0].condition_threshold[0].filter, "subscription/oldest_unacked_message_age") &&
      strcontains(google_monitoring_alert_policy.lag.conditions[0].condition_threshold[0].filter, "monitoring.regex.full_match(\"perigee-(eu1|us1)-.*\")") &&
      google_monitoring_alert_policy.lag.conditions[0].condition_threshold[0].threshold_value == 300
    )
    error_message = "A consumer that is behind tells nobody."
  }
}

run "dashboard" {
  assert {
    condition = alltrue([
      for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles :
      strcontains(tile.widget.xyChart.dataSets[0].timeSeriesQuery.prometheusQuery, "perigee") && tile.xPos + tile.width <= 48
    ])
    error_message = "A chart asks for what is not the deployment's."
  }

  assert {
    condition = length(distinct([
      for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles : "${tile.xPos} ${tile.yPos}"
    ])) == length(jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles)
    error_message = "A chart lies upon another."
  }
}

run "budget" {
  assert {
    condition = (
      google_billing_budget.this["this"].billing_account == "0A1B2C-3D4E5F-012345" &&
      google_billing_budget.this["this"].amount[0].specified_amount[0].units == "500" &&
      google_billing_budget.this["this"].amount[0].specified_amount[0].currency_code == "EUR" &&
      toset(google_billing_budget.this["this"].budget_filter[0].projects) == toset(["projects/123456789012"]) &&
      toset([for rule in google_billing_budget.this["this"].threshold_rules : "${rule.threshold_percent} ${coalesce(rule.spend_basis, "CURRENT_SPEND")}"]) == toset(["0.5 CURRENT_SPEND", "0.9 CURRENT_SPEND", "1 CURRENT_SPEND", "1 FORECASTED_SPEND"])
    )
    error_message = "The budget is another, or of another project."
  }
}

run "one_cell_and_nobody_to_tell" {
  variables {
    cells               = { eu1 = { region = "europe-west1" } }
    notification_emails = []
    paging_channels     = []
    documentation_url   = null
    budget              = null
    objectives          = { read = { availability = 0.99, latency = { share = 0.9, seconds = 0.5 } } }
  }

  assert {
    condition     = length(google_monitoring_notification_channel.email) + length(google_billing_budget.this) == 0 && length(google_monitoring_slo.this) == 2
    error_message = "Something is there that nobody asked for."
  }

  assert {
    condition = alltrue([
      for policy in concat(values(google_monitoring_alert_policy.rule), values(google_monitoring_alert_policy.burn), [google_monitoring_alert_policy.lag, google_monitoring_alert_policy.dead_letters]) :
      length(policy.documentation[0].links) == 0 && length(coalesce(policy.notification_channels, [])) == 0
    ])
    error_message = "An alert links to nowhere."
  }
}

run "five_cells" {
  variables {
    cells = { for cell in ["ap1", "ap2", "eu1", "us1", "us2"] : cell => { region = "europe-west1" } }
  }

  assert {
    condition     = length(google_monitoring_custom_service.cell) == 5 && length(google_monitoring_slo.this) == 40 && length(google_monitoring_alert_policy.burn) == 120
    error_message = "A cell is left out."
  }

  assert {
    condition     = length(split(" or ", google_monitoring_alert_policy.rule["core-silent"].conditions[0].condition_prometheus_query_language[0].query)) == 5
    error_message = "A cell may be silent."
  }
}

run "rules_of_the_repository" {
  variables {
    alerts = jsondecode(file("../../../infra/alerts.json"))
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.rule)) == toset([for rule in jsondecode(file("../../../infra/alerts.json")) : rule.name])
    error_message = "A rule of infra/alerts.json is left out."
  }
}

run "refuses_a_name" {
  command = plan
  variables {
    name = "Perigee"
  }
  expect_failures = [var.name]
}

run "refuses_no_cell" {
  command = plan
  variables {
    cells = {}
  }
  expect_failures = [var.cells]
}

run "refuses_an_unknown_metric" {
  command = plan
  variables {
    alerts = [{ name = "a", metric = "perigee.other", attributes = {}, condition = { above = 1 }, forSeconds = 0, severity = "page", runbook = "a" }]
  }
  expect_failures = [var.alerts]
}

run "refuses_two_conditions" {
  command = plan
  variables {
    alerts = [{ name = "a", metric = "perigee.dead_letters", attributes = {}, condition = { above = 1, below = 0 }, forSeconds = 0, severity = "page", runbook = "a" }]
  }
  expect_failures = [var.alerts]
}

run "refuses_an_unknown_severity" {
  command = plan
  variables {
    alerts = [{ name = "a", metric = "perigee.dead_letters", attributes = {}, condition = { above = 1 }, forSeconds = 0, severity = "urgent", runbook = "a" }]
  }
  expect_failures = [var.alerts]
}

run "refuses_two_rules_of_one_name" {
  command = plan
  variables {
    alerts = [for above in [1, 2] : { name = "a", metric = "perigee.dead_letters", attributes = {}, condition = { above = above }, forSeconds = 0, severity = "page", runbook = "a" }]
  }
  expect_failures = [var.alerts]
}

run "refuses_an_unknown_class" {
  command = plan
  variables {
    objectives = { telemetry = { availability = 0.99, latency = { share = 0.9, seconds = 0.5 } } }
  }
  expect_failures = [var.objectives]
}

run "refuses_a_share_of_all" {
  command = plan
  variables {
    objectives = { read = { availability = 0.9999, latency = { share = 0.9, seconds = 0.5 } } }
  }
  expect_failures = [var.objectives]
}

run "refuses_a_time_between_two_bounds" {
  command = plan
  variables {
    objectives = { read = { availability = 0.99, latency = { share = 0.9, seconds = 0.3 } } }
  }
  expect_failures = [var.objectives]
}

run "refuses_what_is_no_address" {
  command = plan
  variables {
    notification_emails = ["on-call"]
  }
  expect_failures = [var.notification_emails]
}

run "refuses_a_channel_without_its_project" {
  command = plan
  variables {
    paging_channels = ["1"]
  }
  expect_failures = [var.paging_channels]
}

run "refuses_an_address_with_a_slash_at_the_end" {
  command = plan
  variables {
    documentation_url = "https://example.com/"
  }
  expect_failures = [var.documentation_url]
}

run "refuses_a_lag_of_less_than_a_minute" {
  command = plan
  variables {
    lag_seconds = 30
  }
  expect_failures = [var.lag_seconds]
}

run "refuses_a_budget_of_nothing" {
  command = plan
  variables {
    budget = { billing_account = "0A1B2C-3D4E5F-012345", amount = 0.5, currency = "EUR" }
  }
  expect_failures = [var.budget]
}

run "refuses_an_unknown_account_or_currency" {
  command = plan
  variables {
    budget = { billing_account = "billing", amount = 5, currency = "euro" }
  }
  expect_failures = [var.budget]
}
