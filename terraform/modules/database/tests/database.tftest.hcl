mock_provider "google" {
  mock_resource "google_sql_database_instance" {
    defaults = { private_ip_address = "10.255.0.3", connection_name = "perigee-test:europe-west1:perigee-eu1-postgres" }
  }
}

variables {
  name            = "perigee-eu1"
  project_id      = "perigee-test"
  region          = "europe-west1"
  private_network = "projects/perigee-test/global/networks/perigee-network"
  tier            = "db-custom-2-8192"
  password        = "not-a-password-of-anything"
}

run "a_primary_alone_survives_a_zone_and_a_mistake" {
  assert {
    condition     = google_sql_database_instance.primary.settings[0].availability_type == "REGIONAL"
    error_message = "A second zone stands by."
  }
  assert {
    condition = (
      google_sql_database_instance.primary.settings[0].backup_configuration[0].enabled &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].point_in_time_recovery_enabled &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].transaction_log_retention_days == 7 &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 30
    )
    error_message = "REGIONAL needs backups and the logs of point-in-time restore."
  }
  assert {
    condition     = google_sql_database_instance.primary.deletion_protection && google_sql_database_instance.primary.settings[0].deletion_protection_enabled && google_sql_database_instance.primary.settings[0].retain_backups_on_delete
    error_message = "Neither Terraform nor anybody else deletes it, and its backups outlive it."
  }
  assert {
    condition     = google_sql_database_instance.primary.settings[0].edition == "ENTERPRISE" && google_sql_database_instance.primary.settings[0].tier == "db-custom-2-8192"
    error_message = "The edition is stated: newer versions are ENTERPRISE_PLUS without it, and refuse the tier."
  }
  assert {
    condition     = google_sql_database_instance.primary.name == "perigee-eu1-postgres" && google_sql_database_instance.primary.region == "europe-west1" && google_sql_database_instance.primary.database_version == "POSTGRES_18"
    error_message = "It is named for its cell, in the region of its cell."
  }
  assert {
    condition     = length(google_sql_database_instance.replica) == 0 && output.replica_private_ip == null && output.dr_instance == null
    error_message = "There are no replicas where none are asked for."
  }
  assert {
    condition     = !contains([for flag in google_sql_database_instance.primary.settings[0].database_flags : flag.name], "log_min_duration_statement")
    error_message = "What players send does not get into the log."
  }
  assert {
    condition     = output.private_ip == "10.255.0.3" && output.connection_name == "perigee-test:europe-west1:perigee-eu1-postgres" && output.database == "perigee" && output.user == "perigee" && output.max_connections == 400
    error_message = "Outputs say how it is reached."
  }
}

run "nobody_reaches_it_from_outside_or_in_clear" {
  variables {
    replica   = true
    dr_region = "europe-west4"
  }

  assert {
    condition = alltrue([for instance in concat([google_sql_database_instance.primary], values(google_sql_database_instance.replica)) : (
      instance.settings[0].ip_configuration[0].ipv4_enabled == false &&
      instance.settings[0].ip_configuration[0].private_network == var.private_network &&
      instance.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY" &&
      length(instance.settings[0].ip_configuration[0].authorized_networks) == 0
    )])
    error_message = "Instances have a private address only, and take TLS only."
  }
}

run "a_read_replica_is_like_its_primary" {
  variables {
    replica = true
    labels  = { cell = "eu1" }
  }

  assert {
    condition     = keys(google_sql_database_instance.replica) == ["replica"] && output.replica_private_ip == "10.255.0.3" && output.dr_instance == null
    error_message = "There is one replica."
  }
  assert {
    condition = (
      google_sql_database_instance.replica["replica"].master_instance_name == "perigee-eu1-postgres" &&
      google_sql_database_instance.replica["replica"].name == "perigee-eu1-postgres-replica" &&
      google_sql_database_instance.replica["replica"].region == "europe-west1"
    )
    error_message = "It follows the primary, in its region."
  }
  assert {
    condition = (
      google_sql_database_instance.replica["replica"].settings[0].tier == google_sql_database_instance.primary.settings[0].tier &&
      google_sql_database_instance.replica["replica"].settings[0].edition == "ENTERPRISE" &&
      google_sql_database_instance.replica["replica"].settings[0].user_labels == tomap({ cell = "eu1" })
    )
    error_message = "It has the tier, the edition and the labels of the primary."
  }
  assert {
    condition     = google_sql_database_instance.replica["replica"].settings[0].database_flags == google_sql_database_instance.primary.settings[0].database_flags
    error_message = "It has the flags of the primary: with fewer connections it would not start."
  }
  assert {
    condition     = google_sql_database_instance.replica["replica"].deletion_protection && google_sql_database_instance.replica["replica"].settings[0].deletion_protection_enabled
    error_message = "It is protected as the primary is."
  }
}

run "both_replicas_stand_side_by_side" {
  variables {
    replica   = true
    dr_region = "europe-west4"
  }

  assert {
    condition     = keys(google_sql_database_instance.replica) == ["dr", "replica"] && output.replica_private_ip == "10.255.0.3" && output.dr_instance == "perigee-eu1-postgres-dr"
    error_message = "There are two replicas."
  }
}

# After a run in which both are there already.
run "a_disk_that_has_grown_is_left_alone" {
  variables {
    disk_gb = 50
    replica = true
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].disk_size == 100 && google_sql_database_instance.replica["replica"].settings[0].disk_size == 100
    error_message = "A disk cannot shrink: a smaller disk_gb changes nothing."
  }
}

run "a_replica_elsewhere_is_there_for_when_the_region_is_lost" {
  variables {
    dr_region = "europe-west4"
  }

  assert {
    condition     = keys(google_sql_database_instance.replica) == ["dr"] && output.dr_instance == "perigee-eu1-postgres-dr" && output.replica_private_ip == null
    error_message = "There is one replica, and nobody reads from it."
  }
  assert {
    condition = (
      google_sql_database_instance.replica["dr"].region == "europe-west4" && google_sql_database_instance.replica["dr"].master_instance_name == "perigee-eu1-postgres" &&
      google_sql_database_instance.replica["dr"].deletion_protection && google_sql_database_instance.replica["dr"].settings[0].deletion_protection_enabled &&
      google_sql_database_instance.replica["dr"].settings[0].edition == "ENTERPRISE"
    )
    error_message = "It follows the primary from another region, protected."
  }
}

run "what_is_asked_for_is_set" {
  # Instances of its own: the size of a disk is looked at only when it is made.
  state_key = "asked"

  variables {
    edition               = "ENTERPRISE_PLUS"
    tier                  = "db-perf-optimized-N-4"
    disk_gb               = 250
    high_availability     = false
    point_in_time_restore = true
    log_retention_days    = 30
    backups_retained      = 60
    backup_location       = "eu"
    max_connections       = 800
    flags                 = { work_mem = "16384", log_lock_waits = "off" }
    deletion_protection   = false
    maintenance_window    = { day = 7, hour = 0 }
    labels                = { cell = "eu1" }
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].availability_type == "ZONAL" && google_sql_database_instance.primary.settings[0].edition == "ENTERPRISE_PLUS" && google_sql_database_instance.primary.settings[0].disk_size == 250 && google_sql_database_instance.primary.settings[0].disk_autoresize
    error_message = "The machine is what was asked for, and its disk grows."
  }
  assert {
    condition = (
      google_sql_database_instance.primary.settings[0].backup_configuration[0].transaction_log_retention_days == 30 &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 60 &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].location == "eu"
    )
    error_message = "Backups are what was asked for."
  }
  assert {
    condition     = !google_sql_database_instance.primary.deletion_protection && !google_sql_database_instance.primary.settings[0].deletion_protection_enabled
    error_message = "Protection is taken away by saying so, in both places."
  }
  assert {
    condition     = { for flag in google_sql_database_instance.primary.settings[0].database_flags : flag.name => flag.value }["max_connections"] == "800" && output.max_connections == 800
    error_message = "max_connections is set, and told."
  }
  assert {
    condition = (
      { for flag in google_sql_database_instance.primary.settings[0].database_flags : flag.name => flag.value }["work_mem"] == "16384" &&
      { for flag in google_sql_database_instance.primary.settings[0].database_flags : flag.name => flag.value }["log_lock_waits"] == "off" &&
      { for flag in google_sql_database_instance.primary.settings[0].database_flags : flag.name => flag.value }["idle_in_transaction_session_timeout"] == "60000"
    )
    error_message = "Further flags win, and the others stay."
  }
  assert {
    condition     = google_sql_database_instance.primary.settings[0].maintenance_window[0].day == 7 && google_sql_database_instance.primary.settings[0].maintenance_window[0].hour == 0 && google_sql_database_instance.primary.settings[0].maintenance_window[0].update_track == "stable"
    error_message = "Restarts are in the window."
  }
  assert {
    condition     = google_sql_database_instance.primary.settings[0].insights_config[0].query_insights_enabled && !google_sql_database_instance.primary.settings[0].insights_config[0].record_client_address
    error_message = "Query insights are on, without addresses."
  }
}

run "without_logs_there_are_backups_yet" {
  command = plan

  variables {
    high_availability     = false
    point_in_time_restore = false
  }

  assert {
    condition = (
      google_sql_database_instance.primary.settings[0].backup_configuration[0].enabled &&
      google_sql_database_instance.primary.settings[0].backup_configuration[0].point_in_time_recovery_enabled == false
    )
    error_message = "Nightly backups do not depend on logs."
  }
}

run "the_password_is_in_no_state" {
  variables {
    password_version = 2
  }

  assert {
    condition     = google_sql_user.this.password == null && google_sql_user.this.password_wo_version == 2
    error_message = "The password is write-only, and a new version is how it changes."
  }
  assert {
    condition     = google_sql_user.this.deletion_policy == "ABANDON" && google_sql_database.this.deletion_policy == "ABANDON"
    error_message = "Neither the account nor the database goes when Terraform forgets it."
  }
}

run "a_second_zone_needs_logs" {
  command = plan

  variables {
    point_in_time_restore = false
  }

  expect_failures = [var.point_in_time_restore]
}

run "a_tier_goes_with_its_edition" {
  command = plan

  variables {
    tier = "db-perf-optimized-N-4"
  }

  expect_failures = [var.tier]
}

run "the_better_edition_has_no_custom_tiers" {
  command = plan

  variables {
    edition = "ENTERPRISE_PLUS"
  }

  expect_failures = [var.tier]
}

run "an_edition_is_one_that_there_is" {
  command = plan

  variables {
    edition = "STANDARD"
    tier    = "db-perf-optimized-N-4"
  }

  expect_failures = [var.edition]
}

run "a_version_is_of_postgres" {
  command = plan

  variables {
    database_version = "MYSQL_8_4"
  }

  expect_failures = [var.database_version]
}

run "a_disk_is_of_whole_gigabytes" {
  command = plan

  variables {
    disk_gb = 9
  }

  expect_failures = [var.disk_gb]
}

run "logs_are_kept_for_as_long_as_the_edition_can" {
  command = plan

  variables {
    log_retention_days = 8
  }

  expect_failures = [var.log_retention_days]
}

run "logs_are_kept_no_longer_than_backups" {
  command = plan

  variables {
    backups_retained = 6
  }

  expect_failures = [var.backups_retained]
}

run "the_other_region_is_another" {
  command = plan

  variables {
    dr_region = "europe-west1"
  }

  expect_failures = [var.dr_region]
}

run "connections_are_some" {
  command = plan

  variables {
    max_connections = 49
  }

  expect_failures = [var.max_connections]
}

run "max_connections_is_no_further_flag" {
  command = plan

  variables {
    flags = { max_connections = "100" }
  }

  expect_failures = [var.flags]
}

run "a_password_is_long" {
  command = plan

  variables {
    password = "short"
  }

  expect_failures = [var.password]
}

run "a_password_has_a_version" {
  command = plan

  variables {
    password_version = 0
  }

  expect_failures = [var.password_version]
}

run "a_window_is_on_a_day_at_an_hour" {
  command = plan

  variables {
    maintenance_window = { day = 0, hour = 4 }
  }

  expect_failures = [var.maintenance_window]
}

run "a_name_is_one_that_google_takes" {
  command = plan

  variables {
    name = "perigee_eu1"
  }

  expect_failures = [var.name]
}

run "a_promoted_replica_is_the_primary_by_its_own_name" {
  variables {
    region    = "europe-west4"
    instance  = "perigee-eu1-postgres-dr"
    dr_region = "europe-west3"
  }
  assert {
    condition = (
      google_sql_database_instance.primary.name == "perigee-eu1-postgres-dr" && google_sql_database_instance.primary.region == "europe-west4" &&
      google_sql_database_instance.replica["dr"].name == "perigee-eu1-postgres-dr-dr" && google_sql_database_instance.replica["dr"].master_instance_name == "perigee-eu1-postgres-dr"
    )
    error_message = "What was promoted keeps its name, and its own replica has another."
  }
}

run "an_instance_is_named_alone" {
  command = plan
  variables {
    instance = "perigee-test:europe-west4:perigee-eu1-postgres-dr"
  }
  expect_failures = [var.instance]
}
