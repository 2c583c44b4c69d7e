locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.name]
  notified = {
    page   = sort(concat(local.channels, tolist(var.paging_channels)))
    ticket = sort(local.channels)
  }
  severities = { page = "CRITICAL", ticket = "WARNING" }

  # Where a runbook is read, as a link where there is an address and by its name where there is none.
  documentation = var.documentation_url == null ? {} : { url = var.documentation_url }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.notification_emails

  project      = var.project_id
  display_name = "${var.name} ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = var.labels
}

data "google_project" "this" {
  for_each = var.budget == null ? {} : { this = var.project_id }

  project_id = each.value
}

resource "google_billing_budget" "this" {
  for_each = var.budget == null ? {} : { this = var.budget }

  billing_account = each.value.billing_account
  display_name    = var.name

  budget_filter {
    projects = ["projects/${data.google_project.this[each.key].number}"]
  }

  amount {
    specified_amount {
      currency_code = each.value.currency
      units         = tostring(each.value.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  # Before the money is spent.
  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    # A budget has five channels at the most.
    monitoring_notification_channels = slice(local.notified.ticket, 0, min(5, length(local.notified.ticket)))
    disable_default_iam_recipients   = false
  }
}
