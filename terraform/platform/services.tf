locals {
  # `latest`, so that what a person adds is read by whatever starts after that: see docs/runbooks/key-rotation.md.
  secrets = {
    for cell, region in var.regions : cell => merge(
      {
        DATABASE_URL  = { secret = module.cell_secrets[cell].ids["database-url"], version = "latest" }
        MASTER_KEYS   = { secret = module.cell_secrets[cell].ids["master-keys"], version = "latest" }
        EDGE_KEYS     = { secret = module.shared_secrets.ids["edge-keys"], version = "latest" }
        UPSTASH_TOKEN = { secret = module.shared_secrets.ids["upstash-token"], version = "latest" }
      },
      region.database.replica ? { DATABASE_REPLICA_URL = { secret = module.cell_secrets[cell].ids["database-replica-url"], version = "latest" } } : {},
    )
  }
}

module "core" {
  source   = "../modules/core-service"
  for_each = var.regions

  contract         = local.contract
  project_id       = var.project_id
  name             = "${var.name}-${each.key}"
  region           = each.value.region
  image            = var.image
  service_accounts = { for role in local.roles : role => local.core_emails["${each.key}-${role}"] }
  network          = module.network.network_id
  subnet           = module.network.subnets[each.key]
  api              = each.value.api
  worker           = each.value.worker
  database_pool    = each.value.pool
  max_connections  = module.database[each.key].max_connections
  release_overlap  = each.value.release_overlap
  audiences        = [local.audience]
  collector        = var.telemetry ? {} : null

  invokers = {
    # The Worker, and whatever runs in the other cells.
    api = merge(
      { edge = "serviceAccount:${local.edge_email}" },
      { for key, email in local.core_emails : key => "serviceAccount:${email}" if local.role_accounts[key].cell != each.key && local.role_accounts[key].role != "migrate" },
    )
    worker = { push = "serviceAccount:${local.push_email}" }
  }

  environment = merge(
    {
      CELL                 = each.key
      CONTROL_CELL         = var.control_cell
      CELLS                = jsonencode({ for cell, address in local.addresses : cell => address.api })
      ISSUER               = local.issuer
      UPSTASH_URL          = module.edge_cache.url
      PUBSUB_PROJECT       = var.project_id
      PUBSUB_PREFIX        = var.name
      EVENT_DELIVERY       = "push"
      PUSH_AUDIENCE        = local.audience
      PUSH_SERVICE_ACCOUNT = local.push_email
      PUSH_VERIFIED_BY     = "platform"
      CORE_AUDIENCE        = local.audience
    },
    var.telemetry ? { OTEL_RESOURCE_ATTRIBUTES = "cloud.region=${each.value.region},deployment.environment.name=${var.environment}" } : {},
    each.value.cache == null ? {} : {
      REDIS_URL     = module.cache[each.key].url
      REDIS_CLUSTER = "true"
      REDIS_CA      = module.cache[each.key].ca_pem
    },
  )
  secrets = {
    api     = local.secrets[each.key]
    worker  = local.secrets[each.key]
    migrate = { for key in ["DATABASE_URL", "MASTER_KEYS"] : key => local.secrets[each.key][key] }
  }
  deletion_protection = var.deletion_protection
  labels              = merge(local.labels, { cell = each.key, secrets-epoch = tostring(var.secrets_epoch) })
}

module "load_balancer" {
  source   = "../modules/load-balancer"
  for_each = var.load_balancer == null ? {} : { this = var.load_balancer }

  project_id     = var.project_id
  name           = var.name
  domain         = each.value.domain
  allowed_ranges = each.value.allowed_ranges
  cells          = { for cell, region in var.regions : cell => { region = region.region, service = module.core[cell].api.name } }
  labels         = local.labels
}
