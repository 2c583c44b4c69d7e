locals {
  objectives = merge(flatten([
    for cell in keys(var.cells) : [
      for class, objective in var.objectives : {
        "${cell}/${class}/availability" = { cell = cell, class = class, kind = "availability", goal = objective.availability, seconds = null }
        "${cell}/${class}/latency"      = { cell = cell, class = class, kind = "latency", goal = objective.latency.share, seconds = objective.latency.seconds }
      }
    ]
  ])...)

  requests  = "metric.type=\"prometheus.googleapis.com/${local.metrics["perigee.requests"].name}/counter\""
  durations = "metric.type=\"prometheus.googleapis.com/${local.metrics["http.server.request.duration"].name}/histogram\""
  of_objective = {
    for key, of in local.objectives : key => join(" ", [
      "resource.type=\"prometheus_target\"",
      "resource.labels.cluster=\"${var.name}\"",
      "resource.labels.namespace=\"${of.cell}\"",
      "metric.labels.perigee_load_class=\"${of.class}\"",
    ])
  }

  # A budget of 28 days that burns so fast is gone in two days, in five, or in nine. The short window ends an alert soon after what it
  # was about. Cloud Monitoring alerts on no window that is longer than a day.
  burns = {
    fast   = { rate = 14.4, long = "3600s", short = "300s", severity = "page" }
    medium = { rate = 6, long = "21600s", short = "1800s", severity = "page" }
    slow   = { rate = 3, long = "86400s", short = "7200s", severity = "ticket" }
  }
  burn_alerts = merge([
    for key, of in local.objectives : {
      for speed, burn in local.burns : "${key}/${speed}" => merge(of, burn, { objective = key, speed = speed })
    }
  ]...)
}

resource "google_monitoring_custom_service" "cell" {
  for_each = var.cells

  project      = var.project_id
  service_id   = "${var.name}-${each.key}"
  display_name = "${var.name} ${each.key}"
  user_labels  = merge(var.labels, { cell = each.key })
}

resource "google_monitoring_slo" "this" {
  for_each = local.objectives

  project             = var.project_id
  service             = google_monitoring_custom_service.cell[each.value.cell].service_id
  slo_id              = "${each.value.class}-${each.value.kind}"
  display_name        = each.value.kind == "latency" ? "${each.value.class}: within ${each.value.seconds} s" : "${each.value.class}: answered"
  goal                = each.value.goal
  rolling_period_days = 28
  user_labels         = merge(var.labels, { cell = each.value.cell, class = each.value.class })

  request_based_sli {
    dynamic "good_total_ratio" {
      for_each = each.value.kind == "availability" ? [local.of_objective[each.key]] : []

      content {
        good_service_filter  = "${local.requests} ${good_total_ratio.value} metric.labels.perigee_outcome=\"answered\""
        total_service_filter = "${local.requests} ${good_total_ratio.value}"
      }
    }

    dynamic "distribution_cut" {
      for_each = each.value.kind == "latency" ? [local.of_objective[each.key]] : []

      content {
        distribution_filter = "${local.durations} ${distribution_cut.value}"

        range {
          max = each.value.seconds
        }
      }
    }
  }
}

resource "google_monitoring_alert_policy" "burn" {
  for_each = local.burn_alerts

  project               = var.project_id
  display_name          = "${var.name} ${each.value.cell}: the budget of ${each.value.class} (${each.value.kind}) burns ${each.value.speed}"
  combiner              = "AND"
  severity              = local.severities[each.value.severity]
  notification_channels = local.notified[each.value.severity]
  user_labels           = merge(var.labels, { severity = each.value.severity, cell = each.value.cell })

  dynamic "conditions" {
    for_each = { long = each.value.long, short = each.value.short }

    content {
      display_name = "${each.value.rate} times over ${conditions.value}"

      condition_threshold {
        filter          = "select_slo_burn_rate(\"${google_monitoring_slo.this[each.value.objective].name}\", \"${conditions.value}\")"
        comparison      = "COMPARISON_GT"
        threshold_value = each.value.rate
        duration        = "0s"

        trigger {
          count = 1
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "What may fail in 28 days of ${each.value.class} in ${each.value.cell} is used up ${each.value.rate} times as fast as planned. docs/runbooks/objectives.md says what to look at."

    dynamic "links" {
      for_each = local.documentation

      content {
        display_name = "objectives"
        url          = "${links.value}/docs/runbooks/objectives.md"
      }
    }
  }
}
