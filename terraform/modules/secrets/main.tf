locals {
  # One a reader, by names that are known before any account is there.
  readers = merge([
    for key, secret in var.secrets : { for reader, email in secret.readers : "${key}/${reader}" => { secret = key, email = email } }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = var.secrets

  project             = var.project_id
  secret_id           = "${var.name}-${each.key}"
  labels              = var.labels
  deletion_protection = var.deletion_protection
  version_destroy_ttl = "${var.destroy_delay_days * 86400}s"

  replication {
    dynamic "auto" {
      for_each = length(var.regions) == 0 ? { here = true } : {}
      content {}
    }

    dynamic "user_managed" {
      for_each = length(var.regions) > 0 ? { here = true } : {}
      content {
        dynamic "replicas" {
          # In one order, whichever order they were given in.
          for_each = sort(var.regions)
          content {
            location = replicas.value
          }
        }
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  for_each = { for key, secret in var.secrets : key => secret if secret.version != null }

  secret                 = google_secret_manager_secret.this[each.key].id
  secret_data_wo         = var.values[each.key]
  secret_data_wo_version = each.value.version
  # What a value is replaced by comes first, and the value itself can be had back: whoever still reads it by number is told no,
  # and one command switches it on again.
  deletion_policy = "DISABLE"

  lifecycle {
    create_before_destroy = true
    # A person who rotates a secret disables the first version; an apply would switch it on again, be it one that leaked.
    ignore_changes = [enabled]
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${each.value.email}"
}
