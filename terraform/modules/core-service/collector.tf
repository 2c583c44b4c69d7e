locals {
  # The core speaks OpenTelemetry where it is told a destination, and is silent otherwise.
  telemetry = var.collector == null ? {} : {
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    OTEL_RESOURCE_ATTRIBUTES    = "cloud.region=${var.region}"
  }

  # What a series is known by in Managed Service for Prometheus: location, cluster and namespace are the region, the deployment and
  # the cell; job and instance come from the core. Its own names for these would be refused.
  collector_target = { location = var.region, cluster = local.deployment, namespace = local.cell }

  collector_config = jsonencode({
    extensions = { health_check = { endpoint = "0.0.0.0:13133" } }
    receivers  = { otlp = { protocols = { http = { endpoint = "127.0.0.1:4318" } } } }
    processors = {
      memory_limiter = { check_interval = "1s", limit_percentage = 65, spike_limit_percentage = 20 }
      # Cloud Monitoring takes 200 series at once.
      batch    = { send_batch_size = 200, send_batch_max_size = 200, timeout = "5s" }
      resource = { attributes = [for key, value in local.collector_target : { key = key, value = value, action = "upsert" }] }
    }
    exporters = {
      googlecloud             = { project = var.project_id }
      googlemanagedprometheus = { project = var.project_id }
    }
    service = {
      extensions = ["health_check"]
      # The collector's own counters stay its own.
      telemetry = { metrics = { level = "none" } }
      pipelines = {
        traces  = { receivers = ["otlp"], processors = ["memory_limiter", "batch"], exporters = ["googlecloud"] }
        metrics = { receivers = ["otlp"], processors = ["memory_limiter", "resource", "batch"], exporters = ["googlemanagedprometheus"] }
      }
    }
  })

  collector_grants = var.collector == null ? {} : {
    for grant in setproduct(["api", "worker"], ["roles/monitoring.metricWriter", "roles/cloudtrace.agent"]) :
    "${grant[0]}/${grant[1]}" => { account = var.service_accounts[grant[0]], role = grant[1] }
  }
}

resource "google_project_iam_member" "collector" {
  for_each = local.collector_grants

  project = var.project_id
  role    = each.value.role
  member  = "serviceAccount:${each.value.account}"
}
