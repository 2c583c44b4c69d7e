locals {
  instance = coalesce(var.instance, "${var.name}-postgres")

  # No log_min_duration_statement: it writes what players sent into the log. Query insights know slow statements without values.
  # A replica refuses to start with fewer connections than its primary has, so all get the same.
  flags = merge({
    max_connections = tostring(var.max_connections)
    # The core sets a shorter one for its own sessions; this is for people and for what is forgotten.
    idle_in_transaction_session_timeout = "60000"
    log_checkpoints                     = "on"
    log_lock_waits                      = "on"
    # In kB: what spills more than 64 MB to disk wants an index or more memory.
    log_temp_files = "65536"
  }, var.flags)

  replicas = merge(
    var.replica ? { replica = var.region } : {},
    var.dr_region == null ? {} : { dr = var.dr_region },
  )
}

resource "google_sql_database_instance" "primary" {
  project          = var.project_id
  name             = local.instance
  region           = var.region
  database_version = var.database_version
  # Against Terraform; the one in the settings is against everybody else.
  deletion_protection = var.deletion_protection

  settings {
    tier = var.tier
    # Without it the newer versions are ENTERPRISE_PLUS, which knows no custom tiers.
    edition                     = var.edition
    availability_type           = var.high_availability ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    # Whoever deletes the instance all the same has its backups yet.
    retain_backups_on_delete = true
    user_labels              = var.labels

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = var.point_in_time_restore
      transaction_log_retention_days = var.point_in_time_restore ? var.log_retention_days : null
      start_time                     = "02:00"
      location                       = var.backup_location

      backup_retention_settings {
        retained_backups = var.backups_retained
        retention_unit   = "COUNT"
      }
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.private_network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    maintenance_window {
      day          = var.maintenance_window.day
      hour         = var.maintenance_window.hour
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
      # Addresses of cores say nothing, and the core tags no queries.
      record_client_address   = false
      record_application_tags = false
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    # The disk has grown by itself since, and cannot shrink. A primary that was stopped for another one to be promoted stays stopped:
    # an apply would start it beside that.
    ignore_changes = [settings[0].disk_size, settings[0].activation_policy]
  }
}

resource "google_sql_database_instance" "replica" {
  for_each = local.replicas

  project              = var.project_id
  name                 = "${local.instance}-${each.key}"
  region               = each.value
  database_version     = var.database_version
  master_instance_name = google_sql_database_instance.primary.name
  deletion_protection  = var.deletion_protection

  settings {
    tier    = var.tier
    edition = var.edition
    # Reads go to the primary while it is away, and the other is there for when a region is lost.
    availability_type           = "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.private_network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    insights_config {
      query_insights_enabled  = true
      record_client_address   = false
      record_application_tags = false
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    ignore_changes = [settings[0].disk_size]
  }
}

resource "google_sql_database" "this" {
  project  = var.project_id
  instance = google_sql_database_instance.primary.name
  name     = "perigee"
  # Nothing that Terraform is told to forget takes the players with it.
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "this" {
  project             = var.project_id
  instance            = google_sql_database_instance.primary.name
  name                = "perigee"
  password_wo         = var.password
  password_wo_version = var.password_version
  # It owns the tables, so that Postgres would refuse to drop it.
  deletion_policy = "ABANDON"
}
