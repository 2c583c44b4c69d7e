module "edge_cache" {
  source = "../modules/edge-cache"

  name           = "${var.name}-${var.environment}"
  primary_region = var.edge_cache.primary_region
  read_regions   = var.edge_cache.read_regions
  size_gb        = var.edge_cache.size_gb
  budget         = var.edge_cache.budget
  auto_scale     = var.edge_cache.auto_scale
  prod_pack      = var.edge_cache.prod_pack
}

module "edge_zone" {
  source = "../modules/edge-zone"

  name         = var.name
  account_id   = var.edge.account_id
  zone_id      = var.edge.zone_id
  api_host     = var.edge.host
  owns_zone    = var.edge.owns_zone
  rate_limit   = var.edge.rate_limit
  deploy_token = var.edge.deploy_token
  core_hosts   = merge([for balancer in module.load_balancer : { for host in values(balancer.hosts) : host => balancer.ip }]...)
}

# Google gives the load balancer its certificate once this is there, and renews it while it is.
resource "cloudflare_dns_record" "certificate" {
  for_each = module.load_balancer

  zone_id = var.edge.zone_id
  name    = trimsuffix(each.value.dns_authorization.name, ".")
  type    = each.value.dns_authorization.type
  content = trimsuffix(each.value.dns_authorization.data, ".")
  ttl     = 300
  proxied = false
  comment = "${var.name}: the certificate of the cores' load balancer, by Terraform"
}

# The Worker proves who it is with a key of its own, whose public half stands here: no key of an account leaves Google.
resource "google_iam_workload_identity_pool" "edge" {
  workload_identity_pool_id = "${var.name}-edge"
  display_name              = "Perigee's Worker"
}

resource "google_iam_workload_identity_pool_provider" "edge" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.edge.workload_identity_pool_id
  workload_identity_pool_provider_id = "worker"
  display_name                       = "Signed by the Worker's key"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub == 'edge'"

  oidc {
    issuer_uri = local.issuer
    jwks_json  = var.edge.public_keys
  }
}

# Identity tokens for the cores, and nothing else that the account might be given.
resource "google_service_account_iam_member" "edge_is_worker" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.edge_email}"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.edge.name}/subject/edge"
}
