locals {
  # All that a migration is. It is made anew whenever any of it changes.
  migration = {
    image           = var.image
    service_account = var.service_accounts.migrate
    # By latest, so that a new password is no reason to migrate.
    secrets         = { for key, secret in var.secrets.migrate : key => secret.secret }
    environment     = { for key, value in var.environment : key => value if contains(["CELL", "CONTROL_CELL"], key) }
    network         = var.network
    subnet          = var.subnet
    timeout_seconds = var.migration_timeout_seconds
    labels          = var.labels
  }

  # The schema, and the first key to sign with: a core without either is never ready.
  migrate = ["sh", "-ec", "node db/migrate.ts; node core/commands/keys.ts create signing --if-none"]
}

resource "terraform_data" "migration" {
  input = local.migration
}

# Made anew for each image, and run by being made: the services wait until the execution has succeeded. One that fails fails the
# apply, leaves the job marked as to be replaced, and the services as they were; the next apply tries again.
resource "google_cloud_run_v2_job" "migrate" {
  project  = var.project_id
  location = var.region
  name     = "${var.name}-migrate"
  labels   = local.migration.labels
  # It holds nothing, and every release replaces it.
  deletion_protection = false
  run_execution_token = substr(sha256(var.image), 0, 8)

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account       = local.migration.service_account
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      timeout               = "${local.migration.timeout_seconds}s"
      # A run commits as a whole or not at all, so once more does no harm.
      max_retries = 1

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = local.migration.network
          subnetwork = local.migration.subnet
        }
      }

      containers {
        name  = "migrate"
        image = local.migration.image
        args  = local.migrate

        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }

        dynamic "env" {
          for_each = local.migration.environment
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.migration.secrets
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = env.value
                version = "latest"
              }
            }
          }
        }
      }
    }
  }

  timeouts {
    # Two attempts, and what it takes to start them.
    create = "${ceil(2 * local.migration.timeout_seconds / 60) + 10}m"
  }

  lifecycle {
    replace_triggered_by = [terraform_data.migration]
    # The API forgets the token when a person runs the job; sent again, it would be refused.
    ignore_changes = [run_execution_token, client, client_version]
  }
}
