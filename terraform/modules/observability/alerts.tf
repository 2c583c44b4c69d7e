locals {
  # A metric of the core -> its name in Managed Service for Prometheus, and whether it is a gauge, a counter or a histogram.
  metrics = jsondecode(file("${path.module}/metrics.json"))

  rules = { for rule in var.alerts : rule.name => rule }

  matchers = {
    for name, rule in local.rules : name => join(",", concat(["cluster=\"${var.name}\""], [
      for attribute, value in rule.attributes : (
        endswith(value, "*")
        ? "${replace(attribute, ".", "_")}=~\"${trimsuffix(value, "*")}.*\""
        : "${replace(attribute, ".", "_")}=\"${value}\""
      )
    ]))
  }

  # One incident a cell, and a dependency where a rule looks at several: instances come and go.
  by = {
    for name, rule in local.rules : name => join(", ", concat(["namespace"], [for attribute in keys(rule.attributes) : replace(attribute, ".", "_")]))
  }

  series = {
    for name, rule in local.rules : name => "${local.metrics[rule.metric].name}${local.metrics[rule.metric].kind == "histogram" ? "_count" : ""}"
  }

  # A rule looks at each series by itself, so the worst of a cell speaks for it; a sum would take growth of one for that of another.
  queries = {
    for name, rule in local.rules : name => (
      rule.condition.below != null
      ? "min by (${local.by[name]}) (${local.series[name]}{${local.matchers[name]}}) < ${rule.condition.below}"
      : rule.condition.above != null
      ? "max by (${local.by[name]}) (${local.series[name]}{${local.matchers[name]}}) > ${rule.condition.above}"
      : rule.condition.perSecondAbove != null
      ? "max by (${local.by[name]}) (rate(${local.series[name]}{${local.matchers[name]}}[1m])) > ${rule.condition.perSecondAbove}"
      : join(" or ", [
        for cell in keys(var.cells) :
        "absent_over_time(${local.series[name]}{${local.matchers[name]},namespace=\"${cell}\"}[${ceil(rule.condition.absentSeconds / 60) * 60}s])"
      ])
    )
  }
}

resource "google_monitoring_alert_policy" "rule" {
  for_each = local.rules

  project               = var.project_id
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  severity              = local.severities[each.value.severity]
  notification_channels = local.notified[each.value.severity]
  user_labels           = merge(var.labels, { severity = each.value.severity })

  conditions {
    display_name = each.key

    condition_prometheus_query_language {
      query = local.queries[each.key]
      # Cloud Monitoring looks each 30 seconds, so nothing can hold for less.
      duration            = "${ceil(each.value.forSeconds / 30) * 30}s"
      evaluation_interval = "30s"
      alert_rule          = replace(each.key, "-", "_")
      rule_group          = replace(var.name, "-", "_")
      # The first apply is before the first core, which is who makes the metrics.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "1800s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.runbook} says what it means and what to do."

    dynamic "links" {
      for_each = local.documentation

      content {
        display_name = each.key
        url          = "${links.value}/${each.value.runbook}"
      }
    }
  }
}

# As Pub/Sub sees them: a letter that no cell could file, or of a cell that is gone, is in no database.
resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project_id
  display_name          = "${var.name}: dead letters wait in Pub/Sub"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.notified.ticket
  user_labels           = merge(var.labels, { severity = "ticket" })

  conditions {
    display_name = "dead letters that wait"

    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" resource.type=\"pubsub_subscription\" resource.labels.subscription_id=\"${var.dead_letter_subscription}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "docs/runbooks/alerts.md#dead-letters says what it means and what to do; `gcloud pubsub subscriptions pull ${var.dead_letter_subscription}` shows them, and with `--auto-ack` ends the alert."

    dynamic "links" {
      for_each = local.documentation

      content {
        display_name = "dead-letters"
        url          = "${links.value}/docs/runbooks/alerts.md#dead-letters"
      }
    }
  }
}

# The relay's own lag is the rule outbox-waits; this is what waits behind it, for a consumer.
resource "google_monitoring_alert_policy" "lag" {
  project               = var.project_id
  display_name          = "${var.name}: a consumer is behind"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.notified.page
  user_labels           = merge(var.labels, { severity = "page" })

  conditions {
    display_name = "age of the oldest message"

    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" resource.type=\"pubsub_subscription\" resource.labels.subscription_id=monitoring.regex.full_match(\"${var.name}-(${join("|", keys(var.cells))})-.*\")"
      comparison      = "COMPARISON_GT"
      threshold_value = var.lag_seconds
      duration        = "60s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Messages of a subscription have waited for more than ${var.lag_seconds} s. docs/runbooks/alerts.md#consumer-fails says where to look."

    dynamic "links" {
      for_each = local.documentation

      content {
        display_name = "consumer-fails"
        url          = "${links.value}/docs/runbooks/alerts.md#consumer-fails"
      }
    }
  }
}
