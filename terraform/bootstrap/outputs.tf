output "state_bucket" {
  description = "Bucket of the state: `bucket` of the platform's backend, with the prefix platform."
  value       = google_storage_bucket.state.name
}

output "backend" {
  description = "What backend.tf of this root says, so that its own state moves to the bucket."
  value       = <<-EOT
    terraform {
      backend "gcs" {
        bucket = "${google_storage_bucket.state.name}"
        prefix = "bootstrap"
      }
    }
  EOT
}

output "registry" {
  description = "What names of images begin with: <registry>/core@sha256:…"
  value       = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "workload_identity_provider" {
  description = "What a workflow presents its token to."
  value       = google_iam_workload_identity_pool_provider.github.name
}

output "service_accounts" {
  description = "plan and deploy -> email of the account that a workflow acts as."
  value       = { for key, account in google_service_account.ci : key => account.email }
}
