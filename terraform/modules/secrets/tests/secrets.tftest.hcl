mock_provider "google" {
  mock_resource "google_secret_manager_secret_version" {
    defaults = { version = "3" }
  }
}

variables {
  name       = "perigee-eu1"
  project_id = "perigee-test"
  secrets = {
    database-url = {
      readers = { api = "eu1-api@perigee-test.iam.gserviceaccount.com", migrate = "eu1-migrate@perigee-test.iam.gserviceaccount.com" }
      version = 1
    }
    upstash-token = { readers = { api = "eu1-api@perigee-test.iam.gserviceaccount.com" } }
  }
  values = { database-url = "postgres://core:not-a-password@10.0.0.2/perigee" }
}

run "a_secret_is_protected_and_its_versions_can_be_had_back" {
  command = plan

  assert {
    condition     = keys(google_secret_manager_secret.this) == ["database-url", "upstash-token"]
    error_message = "A secret that has no value yet is there all the same."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : secret.deletion_protection && secret.version_destroy_ttl == "604800s"])
    error_message = "No secret is deleted by an apply, and no version at once."
  }
  assert {
    condition     = google_secret_manager_secret.this["database-url"].secret_id == "perigee-eu1-database-url" && google_secret_manager_secret.this["database-url"].project == "perigee-test"
    error_message = "A secret is named after the cell and what it is."
  }
  assert {
    condition     = google_secret_manager_secret_version.this["database-url"].deletion_policy == "DISABLE"
    error_message = "A value that was replaced is switched off, and not destroyed."
  }
}

run "nothing_of_a_value_is_kept" {
  command = apply

  assert {
    condition     = google_secret_manager_secret_version.this["database-url"].secret_data == null && google_secret_manager_secret_version.this["database-url"].secret_data_wo == null
    error_message = "A value goes to Secret Manager and nowhere else."
  }
  assert {
    condition     = google_secret_manager_secret_version.this["database-url"].secret_data_wo_version == "1"
    error_message = "A value is replaced by raising its number."
  }
  assert {
    condition     = output.versions == { database-url = "3", upstash-token = "latest" }
    error_message = "What a person adds is read as the latest, all else by number."
  }
  assert {
    condition     = keys(output.ids) == ["database-url", "upstash-token"]
    error_message = "Every secret has a resource name."
  }
}

run "only_the_readers_read" {
  command = plan

  assert {
    condition     = keys(google_secret_manager_secret_iam_member.reader) == ["database-url/api", "database-url/migrate", "upstash-token/api"]
    error_message = "Each reader has a grant for each secret of theirs, and there is no other."
  }
  assert {
    condition = alltrue([
      for grant in google_secret_manager_secret_iam_member.reader :
      grant.role == "roles/secretmanager.secretAccessor" && startswith(grant.member, "serviceAccount:")
    ])
    error_message = "A reader may read the value and do nothing else."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.reader["database-url/migrate"].member == "serviceAccount:eu1-migrate@perigee-test.iam.gserviceaccount.com"
    error_message = "A grant is for its reader."
  }
}

run "google_chooses_the_regions_where_none_is_named" {
  command = plan

  assert {
    condition     = length(google_secret_manager_secret.this["database-url"].replication[0].auto) == 1 && length(google_secret_manager_secret.this["database-url"].replication[0].user_managed) == 0
    error_message = "Without regions the replication is automatic."
  }
}

run "the_regions_that_are_named_keep_the_copies" {
  command = plan
  variables {
    regions = ["europe-west4", "europe-west1"]
  }

  assert {
    condition = (
      length(google_secret_manager_secret.this["database-url"].replication[0].auto) == 0 &&
      [for replica in google_secret_manager_secret.this["database-url"].replication[0].user_managed[0].replicas : replica.location] == ["europe-west1", "europe-west4"]
    )
    error_message = "Copies are where they were asked for, in an order of their own."
  }
}

run "protection_can_be_taken_off" {
  command = plan
  variables {
    deletion_protection = false
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : !secret.deletion_protection])
    error_message = "Who means to delete a secret can."
  }
}

run "no_secrets_are_no_resources" {
  command = plan
  variables {
    secrets = {}
    values  = {}
  }

  assert {
    condition     = length(google_secret_manager_secret.this) + length(google_secret_manager_secret_version.this) + length(google_secret_manager_secret_iam_member.reader) == 0
    error_message = "Nothing is made where nothing is asked for."
  }
}

run "a_version_without_a_value_is_refused" {
  command = plan
  variables {
    values = {}
  }
  expect_failures = [var.values]
}

run "an_empty_value_is_refused" {
  command = plan
  variables {
    values = { database-url = "" }
  }
  expect_failures = [var.values]
}

run "a_value_that_would_go_nowhere_is_refused" {
  command = plan
  variables {
    values = { database-url = "postgres://core:not-a-password@10.0.0.2/perigee", upstash-token = "lost" }
  }
  expect_failures = [var.values]
}

run "everybody_is_no_reader" {
  command = plan
  variables {
    secrets = { upstash-token = { readers = { all = "allUsers" } } }
    values  = {}
  }
  expect_failures = [var.secrets]
}

run "a_person_is_no_reader" {
  command = plan
  variables {
    secrets = { upstash-token = { readers = { somebody = "somebody@example.com" } } }
    values  = {}
  }
  expect_failures = [var.secrets]
}

run "a_version_counts_from_one" {
  command = plan
  variables {
    secrets = { database-url = { readers = {}, version = 0 } }
  }
  expect_failures = [var.secrets]
}

run "a_secret_has_a_name_that_google_takes" {
  command = plan
  variables {
    secrets = { DATABASE_URL = { readers = {} } }
    values  = {}
  }
  expect_failures = [var.secrets]
}

run "a_name_begins_with_a_letter" {
  command = plan
  variables {
    name = "1-perigee"
  }
  expect_failures = [var.name]
}

run "a_version_cannot_be_destroyed_at_once" {
  command = plan
  variables {
    destroy_delay_days = 0
  }
  expect_failures = [var.destroy_delay_days]
}
