output "api" {
  description = "The service that answers requests: its name and its address, which takes tokens of `audiences` and of invokers only."
  value = {
    name = google_cloud_run_v2_service.this["api"].name
    url  = google_cloud_run_v2_service.this["api"].uri
  }
  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

output "worker" {
  description = "The service that Pub/Sub pushes to: its name and its address."
  value = {
    name = google_cloud_run_v2_service.this["worker"].name
    url  = google_cloud_run_v2_service.this["worker"].uri
  }
  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

output "migrate_job" {
  description = "The name of the job that migrates; each release runs it."
  value       = google_cloud_run_v2_job.migrate.name
}

output "instances_max" {
  description = "Processes of the cell that may be there at once, a release and the one before together; INSTANCES_MAX."
  value       = local.instances_max
}
