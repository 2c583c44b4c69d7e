locals {
  bucket = "${var.project_id}-terraform"

  services = toset([
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "billingbudgets.googleapis.com",
    "certificatemanager.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudtrace.googleapis.com",
    "compute.googleapis.com",
    "containerscanning.googleapis.com",
    "iam.googleapis.com",
    "iap.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "memorystore.googleapis.com",
    "monitoring.googleapis.com",
    "networkconnectivity.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "serviceusage.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
  ])
}

resource "google_project_service" "this" {
  for_each = local.services

  project = var.project_id
  service = each.value
  # What stands on a service would stand without it.
  disable_on_destroy = false
}

# The state of both roots, each under its own prefix. Passwords are written and never kept in it. Upstash's tokens and the token that
# deploys the Worker are kept: their providers know no other way.
resource "google_storage_bucket" "state" {
  project                     = var.project_id
  name                        = local.bucket
  location                    = coalesce(var.state_location, var.region)
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = var.deletion_protection ? "PREVENT" : "DELETE"

  versioning {
    enabled = true
  }

  # A state that is deleted with all its versions can be had back for 30 days.
  soft_delete_policy {
    retention_duration_seconds = 30 * 86400
  }

  # The last 50 versions stay for ever, older ones for 90 days.
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      with_state                 = "ARCHIVED"
      num_newer_versions         = 50
      days_since_noncurrent_time = 90
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository" "images" {
  project         = var.project_id
  location        = var.region
  repository_id   = var.name
  description     = "Images of the core."
  format          = "DOCKER"
  labels          = var.labels
  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"

  # Services name images by digest; a tag says which commit one is of, and always the same.
  docker_config {
    immutable_tags = true
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  # Images with a tag stay: with tags that cannot be moved no policy deletes them. What a build left behind goes.
  cleanup_policies {
    id     = "untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s"
    }
  }

  # Also without a tag the last ones are there to go back to.
  cleanup_policies {
    id     = "newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 20
    }
  }

  depends_on = [google_project_service.this]
}
