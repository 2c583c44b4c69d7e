locals {
  of_repository = "assertion.repository_owner_id == \"${var.repository.owner_id}\" && assertion.repository_id == \"${var.repository.id}\""
  # A workflow of a pull request that runs with the rights of its target has that target's ref: so the event counts too.
  of_deployment = "assertion.ref == \"${var.deploy_ref}\" && (assertion.event_name == \"push\" || assertion.event_name == \"workflow_dispatch\")"

  plan_roles = toset([
    "roles/artifactregistry.reader",
    "roles/bigquery.metadataViewer",
    "roles/browser",
    "roles/certificatemanager.viewer",
    "roles/cloudsql.viewer",
    "roles/compute.viewer",
    "roles/iam.securityReviewer",
    "roles/iam.workloadIdentityPoolViewer",
    "roles/memorystore.viewer",
    "roles/monitoring.viewer",
    "roles/pubsub.viewer",
    "roles/run.viewer",
    "roles/secretmanager.viewer",
    "roles/serviceusage.serviceUsageConsumer",
  ])

  deploy_roles = toset([
    "roles/bigquery.dataOwner",
    "roles/browser",
    "roles/certificatemanager.owner",
    "roles/cloudsql.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.networkAdmin",
    "roles/compute.securityAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityPoolAdmin",
    "roles/memorystore.admin",
    "roles/monitoring.editor",
    "roles/networkconnectivity.consumerNetworkAdmin",
    "roles/pubsub.admin",
    "roles/run.admin",
    "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin",
    "roles/serviceusage.serviceUsageConsumer",
  ])
}

resource "google_iam_workload_identity_pool" "ci" {
  project                   = var.project_id
  workload_identity_pool_id = "${var.name}-ci"
  display_name              = "${var.name} CI"
  description               = "Workflows of the one repository that deploys."

  depends_on = [google_project_service.this]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"

  # Everybody's workflows have tokens of this issuer. Ours are known by number, and heard on the ref that is deployed or in a pull
  # request's job of the environment `plan`, whose reviewer has seen what will run, and nowhere else.
  attribute_condition = "${local.of_repository} && (assertion.ref == \"${var.deploy_ref}\" || (assertion.event_name == \"pull_request\" && assertion.environment == \"plan\"))"

  attribute_mapping = {
    "google.subject"   = "assertion.sub"
    "attribute.access" = "${local.of_deployment} ? \"deploy\" : \"plan\""
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "ci" {
  for_each = { plan = "Reads what a plan compares with.", deploy = "Builds images and applies plans." }

  project      = var.project_id
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name} ${each.key}"
  description  = each.value

  depends_on = [google_project_service.this]
}

# Who may deploy does not plan as somebody who may: each kind of run is one account's, and the account of the other is out of reach.
resource "google_service_account_iam_member" "ci" {
  for_each = google_service_account.ci

  service_account_id = each.value.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.access/${each.key}"
}

resource "google_project_iam_member" "plan" {
  for_each = local.plan_roles

  project = var.project_id
  role    = each.value
  member  = google_service_account.ci["plan"].member
}

# What is read for a plan and is in no role of those who only look.
resource "google_project_iam_custom_role" "plan" {
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_plan"
  title       = "${var.name} plan"
  description = "Reads how the network reaches managed services."
  permissions = [
    "networkconnectivity.serviceConnectionPolicies.get",
    "servicenetworking.services.get",
  ]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "plan_network" {
  project = var.project_id
  role    = google_project_iam_custom_role.plan.name
  member  = google_service_account.ci["plan"].member
}

resource "google_project_iam_member" "deploy" {
  for_each = local.deploy_roles

  project = var.project_id
  role    = each.value
  member  = google_service_account.ci["deploy"].member
}

# Gives service accounts what they report with, and can make nobody an owner.
resource "google_project_iam_member" "deploy_grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.ci["deploy"].member

  condition {
    title       = "only what cores report with"
    description = "Gives and takes these roles and no other."
    expression  = "api.getAttribute(\"iam.googleapis.com/modifiedGrantsByRole\", []).hasOnly([${join(", ", [for role in sort(var.grantable_roles) : "\"${role}\""])}])"
  }
}

resource "google_artifact_registry_repository_iam_member" "deploy" {
  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.ci["deploy"].member
}

# Both read the state; plans take no lock.
resource "google_storage_bucket_iam_member" "state_reader" {
  for_each = google_service_account.ci

  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectViewer"
  member = each.value.member
}

# A deployment does not write the state of this root: who could, could make itself the owner by the next apply of a person.
resource "google_storage_bucket_iam_member" "state_writer" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = google_service_account.ci["deploy"].member

  condition {
    title      = "only the state of the platform"
    expression = "resource.name.startsWith(\"projects/_/buckets/${local.bucket}/objects/platform/\")"
  }
}
