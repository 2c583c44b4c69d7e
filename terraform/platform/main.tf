locals {
  # What the code says of itself; nothing below types the name of a topic, a setting or an address again.
  contract = jsondecode(file("${path.module}/../contract.json"))

  labels   = merge({ app = var.name, environment = var.environment }, var.labels)
  audience = "${var.name}-core"
  issuer   = "https://${var.edge.host}"

  # Cloud Run's own addresses follow from names, so that each cell can be told of all others before any of them is there.
  addresses = {
    for cell, region in var.regions : cell => {
      for role in ["api", "worker"] : role => "https://${var.name}-${cell}-${role}-${data.google_project.this.number}.${region.region}.run.app"
    }
  }
  # Whom the Worker asks: the load balancer where there is one.
  ways_in = {
    for cell in keys(var.regions) : cell => var.load_balancer == null ? local.addresses[cell].api : "https://${cell}.${var.load_balancer.domain}"
  }
}

data "google_project" "this" {
  project_id = var.project_id
}

module "network" {
  source = "../modules/network"

  project_id   = var.project_id
  name         = var.name
  regions      = { for cell, region in var.regions : cell => { region = region.region, subnet_cidr = region.subnet_cidr } }
  peering_cidr = var.peering_cidr
  labels       = local.labels
}

module "database" {
  source   = "../modules/database"
  for_each = var.regions

  project_id            = var.project_id
  name                  = "${var.name}-${each.key}"
  region                = each.value.region
  private_network       = module.network.private_network
  database_version      = each.value.database.version
  tier                  = each.value.database.tier
  edition               = each.value.database.edition
  disk_gb               = each.value.database.disk_gb
  high_availability     = each.value.database.high_availability
  point_in_time_restore = each.value.database.point_in_time_restore
  replica               = each.value.database.replica
  dr_region             = each.value.database.recovery_region
  instance              = each.value.database.instance
  max_connections       = each.value.database.max_connections
  password              = ephemeral.random_password.database[each.key].result
  password_version      = each.value.database.password_version
  deletion_protection   = var.deletion_protection
  labels                = merge(local.labels, { cell = each.key })
}

module "cache" {
  source   = "../modules/cache"
  for_each = { for cell, region in var.regions : cell => region if region.cache != null }

  project_id          = var.project_id
  name                = "${var.name}-${each.key}"
  region              = each.value.region
  network_id          = module.network.network_id
  subnet_id           = module.network.subnets[each.key]
  node_type           = each.value.cache.node_type
  shards              = each.value.cache.shards
  replicas            = each.value.cache.replicas
  deletion_protection = var.deletion_protection
  labels              = merge(local.labels, { cell = each.key })
}

module "messaging" {
  source = "../modules/messaging"

  project_id          = var.project_id
  name                = var.name
  topics              = local.contract.topics
  subscriptions       = local.contract.subscriptions
  events              = local.contract.events
  push_path           = local.contract.paths.events
  control_cell        = var.control_cell
  cells               = { for cell, region in var.regions : cell => { region = region.region, push_url = local.addresses[cell].worker } }
  push                = { service_account = local.push_email, audience = local.audience }
  publishers          = { for cell in keys(var.regions) : cell => local.core_emails["${cell}-worker"] }
  storage_regions     = [for region in values(var.regions) : region.region]
  analytics           = var.analytics
  deletion_protection = var.deletion_protection
  labels              = local.labels
}
