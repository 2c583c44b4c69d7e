locals {
  known = concat(var.contract.settings.required, var.contract.settings.optional)

  cell       = try(var.environment.CELL, "")
  deployment = trimsuffix(var.name, "-${local.cell}")

  # The sum that a core refuses to start by (docs/operations.md, Pools), made before anything is changed.
  # In tenths, so that the sum is one of whole numbers.
  connections_tenths = 8
  # What Postgres keeps for superusers where nobody has said otherwise; the core asks the server itself.
  connections_reserved = 3
  instances_max        = ceil((var.api.max + var.worker.max) * var.release_overlap)
  connections          = local.instances_max * (var.database_pool + var.contract.connectionsBesidePool)

  # What is set here and nowhere else. PORT is Cloud Run's to give.
  settings = {
    for role in ["api", "worker"] : role => {
      ROLE          = role
      PORT          = null
      DATABASE_POOL = tostring(var.database_pool)
      INSTANCES_MAX = tostring(local.instances_max)
    }
  }

  services = {
    api = merge(var.api, {
      # A load balancer, or the edge and the other cells at the service's own address.
      ingress = var.ingress
    })
    worker = merge(var.worker, {
      # Pub/Sub of the same project counts as internal, and nobody else has business here.
      ingress = "INGRESS_TRAFFIC_INTERNAL_ONLY"
    })
  }

  invokers = merge([
    for service, members in var.invokers : { for word, member in members : "${service}/${word}" => { service = service, member = member } }
  ]...)
}

resource "google_cloud_run_v2_service" "this" {
  for_each = local.services

  project             = var.project_id
  location            = var.region
  name                = "${var.name}-${each.key}"
  labels              = var.labels
  deletion_protection = var.deletion_protection
  ingress             = each.value.ingress
  custom_audiences    = sort(var.audiences)

  template {
    labels                           = var.labels
    service_account                  = var.service_accounts[each.key]
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = each.value.concurrency
    timeout                          = "${each.value.timeout_seconds}s"

    scaling {
      min_instance_count = each.value.min
      max_instance_count = each.value.max
    }

    vpc_access {
      egress = var.egress
      network_interfaces {
        network    = var.network
        subnetwork = var.subnet
      }
    }

    containers {
      name       = "core"
      image      = var.image
      depends_on = var.collector == null ? [] : ["collector"]

      ports {
        name           = "http1"
        container_port = 8080
      }

      resources {
        limits = { cpu = tostring(each.value.cpu), memory = each.value.memory }
        # Relay, heartbeat and exports go on between requests.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = { for key, value in merge(local.telemetry, var.environment, local.settings[each.key]) : key => value if value != null }
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.secrets[each.key]
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value.secret
              version = env.value.version
            }
          }
        }
      }

      # Ready is what a new instance has to become before it gets requests and a release its traffic: Postgres answers and has
      # every migration. Four minutes are the most that Cloud Run waits; a core whose database is away for longer is started anew.
      startup_probe {
        period_seconds    = 3
        timeout_seconds   = 2
        failure_threshold = 80
        http_get {
          path = var.contract.paths.ready
          port = 8080
        }
      }

      # Three failures, the most that Cloud Run allows: a failover of Postgres of some seconds is the core's to answer for.
      readiness_probe {
        period_seconds    = 3
        timeout_seconds   = 2
        failure_threshold = 3
        success_threshold = 1
        http_get {
          path = var.contract.paths.ready
          port = 8080
        }
      }

      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = var.contract.paths.live
          port = 8080
        }
      }
    }

    dynamic "containers" {
      for_each = var.collector == null ? {} : { collector = var.collector }
      content {
        name  = containers.key
        image = containers.value.image
        args  = ["--config=env:COLLECTOR_CONFIG"]

        env {
          name  = "COLLECTOR_CONFIG"
          value = local.collector_config
        }

        resources {
          limits   = { cpu = containers.value.cpu, memory = containers.value.memory }
          cpu_idle = false
        }

        # Without one nobody waits for it.
        startup_probe {
          period_seconds    = 2
          timeout_seconds   = 2
          failure_threshold = 30
          http_get {
            path = "/"
            port = 13133
          }
        }

        liveness_probe {
          period_seconds    = 30
          timeout_seconds   = 5
          failure_threshold = 3
          http_get {
            path = "/"
            port = 13133
          }
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  lifecycle {
    # Which tool touched it last is no part of what it is.
    ignore_changes = [client, client_version]
  }

  depends_on = [google_cloud_run_v2_job.migrate, google_project_iam_member.collector]
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.this[each.value.service].name
  role     = "roles/run.invoker"
  member   = each.value.member
}
