# Made once, written to Secret Manager without passing through the state, and never made again by Terraform: what signs or encrypts
# with one of them outlives it. How they are rotated stands in docs/runbooks/key-rotation.md.
ephemeral "random_password" "database" {
  for_each = var.regions

  length  = 40
  special = false
}

ephemeral "random_password" "master_key" {
  for_each = var.regions

  length  = 48
  special = false
}

ephemeral "random_password" "edge_key" {
  length  = 48
  special = false
}

locals {
  # Those who serve: what a cell's secrets are for.
  serving = {
    for cell in keys(var.regions) : cell => { for role in ["api", "worker"] : "${cell}-${role}" => local.core_emails["${cell}-${role}"] }
  }

  database_urls = {
    for cell in keys(var.regions) : cell => {
      user     = module.database[cell].user
      database = module.database[cell].database
      primary  = module.database[cell].private_ip
      replica  = module.database[cell].replica_private_ip
    }
  }
}

module "cell_secrets" {
  source   = "../modules/secrets"
  for_each = var.regions

  project_id = var.project_id
  name       = "${var.name}-${each.key}"
  # Not in the cell's region alone: a cell that is lost with it needs its keys where its recovery replica is.
  regions = []
  secrets = merge(
    {
      database-url = { readers = merge(local.serving[each.key], { migrate = local.core_emails["${each.key}-migrate"] }), version = each.value.database.password_version }
      # The migration encrypts the first key to sign with.
      master-keys = { readers = merge(local.serving[each.key], { migrate = local.core_emails["${each.key}-migrate"] }), version = 1 }
    },
    each.value.database.replica ? {
      database-replica-url = { readers = local.serving[each.key], version = each.value.database.password_version }
    } : {},
  )
  values = merge(
    {
      database-url = "postgres://${local.database_urls[each.key].user}:${ephemeral.random_password.database[each.key].result}@${local.database_urls[each.key].primary}:5432/${local.database_urls[each.key].database}?sslmode=require"
      master-keys  = "m1:${base64encode(ephemeral.random_password.master_key[each.key].result)}"
    },
    each.value.database.replica ? {
      database-replica-url = "postgres://${local.database_urls[each.key].user}:${ephemeral.random_password.database[each.key].result}@${local.database_urls[each.key].replica}:5432/${local.database_urls[each.key].database}?sslmode=require"
    } : {},
  )
  deletion_protection = var.deletion_protection
  labels              = merge(local.labels, { cell = each.key })
}

module "shared_secrets" {
  source = "../modules/secrets"

  project_id = var.project_id
  name       = var.name
  # Where Google likes: named regions would have to be all of the cells', and another one would make these secrets anew, and empty.
  regions = []
  secrets = {
    edge-keys     = { readers = merge(values(local.serving)...), version = 1 }
    upstash-token = { readers = merge(values(local.serving)...), version = 1 }
    # `npm run edge-key` adds its versions; Terraform never sees one.
    google-key = { readers = {}, version = null }
  }
  values = {
    edge-keys     = "e1:${base64encode(ephemeral.random_password.edge_key.result)}"
    upstash-token = module.edge_cache.token
  }
  deletion_protection = var.deletion_protection
  labels              = local.labels
}
