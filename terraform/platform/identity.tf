# One account a cell and role, so that what one process may read, no other may; and one each for those who call.
locals {
  roles = ["api", "worker", "migrate"]
  role_accounts = merge([
    for cell in keys(var.regions) : { for role in local.roles : "${cell}-${role}" => { cell = cell, role = role } }
  ]...)
}

resource "google_service_account" "core" {
  for_each = local.role_accounts

  account_id   = "${var.name}-${each.key}"
  display_name = "Perigee core, ${each.value.role} of ${each.value.cell}"
}

resource "google_service_account" "edge" {
  account_id   = "${var.name}-edge"
  display_name = "Perigee's Worker, which calls the cores"
}

resource "google_service_account" "push" {
  account_id   = "${var.name}-push"
  display_name = "Pub/Sub, which pushes events to the workers"
}

locals {
  # Written out rather than asked for, so that plans tell them before the accounts are there.
  core_emails = { for key, account in google_service_account.core : key => "${account.account_id}@${var.project_id}.iam.gserviceaccount.com" }
  edge_email  = "${google_service_account.edge.account_id}@${var.project_id}.iam.gserviceaccount.com"
  push_email  = "${google_service_account.push.account_id}@${var.project_id}.iam.gserviceaccount.com"
}
