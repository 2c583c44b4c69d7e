locals {
  # Those that the provider lists for a global database.
  known_regions = [
    "ap-southeast-1", "ap-southeast-2", "eu-central-1", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2",
  ]

  # An entry with its version takes about a kilobyte; see docs/capacity.md.
  keys_a_gb = 1000000
}

resource "upstash_redis_database" "cache" {
  database_name  = "${var.name}-edge"
  region         = "global"
  primary_region = var.primary_region
  read_regions   = var.read_regions

  # The provider takes an absent `tls` for false, Upstash makes every database with it, and the next plan would replace the database.
  tls = true

  # What is evicted may be the version that disqualifies an entry, which would then be served; see docs/caching.md.
  eviction = false

  auto_scale = var.auto_scale
  budget     = var.budget
  prod_pack  = var.prod_pack
}
