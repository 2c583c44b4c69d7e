output "edge" {
  description = "What `npm run deploy:edge` makes the Worker's configuration of: its variables as they are, its secrets by where they are kept."
  value = {
    name        = "${var.name}-${var.environment}"
    environment = var.environment
    host        = var.edge.host
    account_id  = var.edge.account_id
    vars = {
      CELLS            = jsonencode({ for cell, way in local.ways_in : cell => { coreUrl = way, near = var.regions[cell].near } })
      CONTROL_CELL     = var.control_cell
      ISSUER           = local.issuer
      UPSTASH_URL      = module.edge_cache.url
      UPSTASH_KEYS_MAX = tostring(module.edge_cache.keys_max)
      TRACE_SHARE      = tostring(var.edge.trace_share)
      GOOGLE_IDENTITY = jsonencode({
        audience       = local.audience
        provider       = google_iam_workload_identity_pool_provider.edge.name
        serviceAccount = local.edge_email
      })
    }
    secrets = {
      EDGE_KEYS     = module.shared_secrets.ids["edge-keys"]
      UPSTASH_TOKEN = module.shared_secrets.ids["upstash-token"]
      GOOGLE_KEY    = module.shared_secrets.ids["google-key"]
    }
  }
}

output "cells" {
  description = "Each cell's services, database and secrets, by name: what the runbooks' commands ask for."
  value = {
    for cell, region in var.regions : cell => {
      region      = region.region
      api         = module.core[cell].api
      worker      = module.core[cell].worker
      migrate_job = module.core[cell].migrate_job
      database    = module.database[cell].connection_name
      recovery    = module.database[cell].dr_instance
      secrets     = module.cell_secrets[cell].ids
    }
  }

  precondition {
    condition     = alltrue([for cell, most in module.network.instances_max : most >= module.core[cell].instances_max])
    error_message = "A release would run out of addresses half way: give ${join(", ", [for cell, most in module.network.instances_max : cell if most < module.core[cell].instances_max])} a larger subnet_cidr, two addresses for each instance of api and worker, those of a release twice, and six."
  }
}

output "image" {
  description = "The image that runs: what a rollback applies again."
  value       = var.image
}

output "names" {
  description = "Topics and subscriptions, as the code calls them."
  value = {
    topics        = module.messaging.topics
    subscriptions = module.messaging.subscriptions
  }
}

output "deploy_token" {
  description = "Cloudflare's token that deploys the Worker; null where edge.deploy_token asks for none."
  value       = module.edge_zone.deploy_token
  sensitive   = true
}

output "objectives" {
  description = "`<cell>/<class>/<availability or latency>` -> full name of the objective; empty without telemetry."
  value       = merge([for observability in module.observability : observability.slos]...)
}
