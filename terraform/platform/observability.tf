module "observability" {
  source = "../modules/observability"

  project_id          = var.project_id
  name                = var.name
  cells               = keys(var.regions)
  alerts              = jsondecode(file("${path.module}/../../infra/alerts.json"))
  objectives          = var.objectives
  notification_emails = var.notification_emails
  budget              = var.budget
  dead_letters        = module.messaging.dead_letter_subscription
  labels              = local.labels
}
