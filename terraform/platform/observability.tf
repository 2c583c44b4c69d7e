module "observability" {
  source   = "../modules/observability"
  for_each = var.telemetry ? { this = true } : {}

  project_id               = var.project_id
  name                     = var.name
  cells                    = { for cell, region in var.regions : cell => { region = region.region } }
  alerts                   = jsondecode(file("${path.module}/../../infra/alerts.json"))
  objectives               = var.objectives
  notification_emails      = var.notification_emails
  paging_channels          = var.paging_channels
  documentation_url        = var.documentation_url
  budget                   = var.budget
  dead_letter_subscription = module.messaging.dead_letter_subscription
  labels                   = local.labels
}
