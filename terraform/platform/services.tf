module "core" {
  source   = "../modules/core-service"
  for_each = var.regions

  project_id       = var.project_id
  name             = "${var.name}-${each.key}"
  region           = each.value.region
  image            = var.image
  service_accounts = { for role in local.roles : role => local.core_id["${each.key}-${role}"] }
  network          = module.network.network_id
  subnet           = module.network.subnets[each.key]
  api              = each.value.api
  worker           = each.value.worker
  pool             = each.value.pool
  max_connections  = each.value.database.max_connections
  paths            = local.contract.paths
  audiences        = [local.audience]
  secret_settings  = local.contract.settings.secret
  collector        = var.collector

  # Workers and other cells' cores ask an api; Pub/Sub pushes to a worker.
  api_invokers = concat(
    ["serviceAccount:${google_service_account.edge.email}"],
    [for cell in keys(var.regions) : "serviceAccount:${local.core_id["${cell}-api"]}" if cell != each.key],
    [for cell in keys(var.regions) : "serviceAccount:${local.core_id["${cell}-worker"]}" if cell != each.key],
  )
  worker_invokers = ["serviceAccount:${google_service_account.push.email}"]

  environment = merge(
    {
      CELL                 = each.key
      CONTROL_CELL         = var.control_cell
      CELLS                = jsonencode({ for cell, way in local.ways_in : cell => way })
      ISSUER               = local.issuer
      UPSTASH_URL          = module.edge_cache.url
      PUBSUB_PROJECT       = var.project_id
      PUBSUB_PREFIX        = var.name
      EVENT_DELIVERY       = "push"
      PUSH_AUDIENCE        = local.audience
      PUSH_SERVICE_ACCOUNT = google_service_account.push.email
      DATABASE_POOL        = tostring(each.value.pool)
    },
    each.value.cache == null ? {} : {
      REDIS_URL     = module.cache[each.key].url
      REDIS_CLUSTER = "true"
      REDIS_CA      = module.cache[each.key].ca_pem
    },
  )
  secrets = merge(
    {
      DATABASE_URL  = { secret = module.cell_secrets[each.key].ids["database-url"], version = "latest" }
      MASTER_KEYS   = { secret = module.cell_secrets[each.key].ids["master-keys"], version = "latest" }
      EDGE_KEYS     = { secret = module.shared_secrets.ids["edge-keys"], version = "latest" }
      UPSTASH_TOKEN = { secret = module.shared_secrets.ids["upstash-token"], version = "latest" }
    },
    each.value.database.replica ? { DATABASE_REPLICA_URL = { secret = module.cell_secrets[each.key].ids["database-replica-url"], version = "latest" } } : {},
  )
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
}
