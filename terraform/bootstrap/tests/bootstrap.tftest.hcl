mock_provider "google" {
  mock_resource "google_iam_workload_identity_pool" {
    defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/perigee-ci" }
  }
}

override_resource {
  target = google_service_account.ci["plan"]
  values = {
    name   = "projects/perigee-test/serviceAccounts/perigee-plan@perigee-test.iam.gserviceaccount.com"
    email  = "perigee-plan@perigee-test.iam.gserviceaccount.com"
    member = "serviceAccount:perigee-plan@perigee-test.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.ci["deploy"]
  values = {
    name   = "projects/perigee-test/serviceAccounts/perigee-deploy@perigee-test.iam.gserviceaccount.com"
    email  = "perigee-deploy@perigee-test.iam.gserviceaccount.com"
    member = "serviceAccount:perigee-deploy@perigee-test.iam.gserviceaccount.com"
  }
}

variables {
  project_id = "perigee-test"
  region     = "europe-west1"
  repository = { owner_id = "1234567", id = "7654321" }
}

run "plans_before_anything_is_there" {
  command = plan

  assert {
    condition     = length(google_storage_bucket_iam_member.state_reader) == 2 && length(google_service_account_iam_member.ci) == 2
    error_message = "What there is hangs on what is not known yet."
  }
}

run "state" {
  assert {
    condition = (
      google_storage_bucket.state.versioning[0].enabled &&
      google_storage_bucket.state.uniform_bucket_level_access &&
      google_storage_bucket.state.public_access_prevention == "enforced" &&
      !google_storage_bucket.state.force_destroy &&
      google_storage_bucket.state.deletion_policy == "PREVENT" &&
      google_storage_bucket.state.soft_delete_policy[0].retention_duration_seconds == 2592000 &&
      google_storage_bucket.state.location == "europe-west1"
    )
    error_message = "The state can be lost or seen."
  }

  assert {
    condition = alltrue([
      for rule in google_storage_bucket.state.lifecycle_rule :
      alltrue([for condition in rule.condition : condition.with_state == "ARCHIVED" && condition.num_newer_versions == 50 && condition.days_since_noncurrent_time == 90])
    ])
    error_message = "A version of the state that counts is deleted."
  }

  assert {
    condition     = strcontains(output.backend, "bucket = \"perigee-test-terraform\"") && strcontains(output.backend, "prefix = \"bootstrap\"")
    error_message = "The state of this root moves elsewhere."
  }

  assert {
    condition = (
      google_storage_bucket_iam_member.state_writer.member == google_service_account.ci["deploy"].member &&
      google_storage_bucket_iam_member.state_writer.role == "roles/storage.objectUser" &&
      google_storage_bucket_iam_member.state_writer.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/perigee-test-terraform/objects/platform/\")" &&
      { for key, reader in google_storage_bucket_iam_member.state_reader : key => reader.role } == { plan = "roles/storage.objectViewer", deploy = "roles/storage.objectViewer" }
    )
    error_message = "A deployment may write the state of this root, or a plan any."
  }
}

run "services" {
  assert {
    condition     = alltrue([for service in google_project_service.this : !service.disable_on_destroy])
    error_message = "A destroy takes a service from under what stands on it."
  }

  assert {
    condition = length(setsubtract([
      for api in ["run", "sqladmin", "memorystore", "pubsub", "secretmanager", "servicenetworking", "networkconnectivity", "iamcredentials", "sts", "monitoring"] : "${api}.googleapis.com"
    ], keys(google_project_service.this))) == 0
    error_message = "A service of the platform is left off."
  }
}

run "registry" {
  assert {
    condition = (
      google_artifact_registry_repository.images.docker_config[0].immutable_tags &&
      google_artifact_registry_repository.images.vulnerability_scanning_config[0].enablement_config == "INHERITED" &&
      google_artifact_registry_repository.images.deletion_policy == "PREVENT" &&
      { for policy in google_artifact_registry_repository.images.cleanup_policies : policy.id => policy.action } == { untagged = "DELETE", newest = "KEEP" } &&
      output.registry == "europe-west1-docker.pkg.dev/perigee-test/perigee"
    )
    error_message = "A tag can be moved, images are not scanned, or what is deployed is cleaned away."
  }
}

run "identity_of_ci" {
  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.repository_owner_id == \"1234567\" && assertion.repository_id == \"7654321\" && (assertion.ref == \"refs/heads/main\" || (assertion.event_name == \"pull_request\" && assertion.environment == \"plan\"))"
    error_message = "Workflows of others are believed, or of any branch."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Tokens of another issuer are believed."
  }

  assert {
    condition = google_iam_workload_identity_pool_provider.github.attribute_mapping == tomap({
      "google.subject"   = "assertion.sub"
      "attribute.access" = "assertion.ref == \"refs/heads/main\" && (assertion.event_name == \"push\" || assertion.event_name == \"workflow_dispatch\") ? \"deploy\" : \"plan\""
    })
    error_message = "A pull request is taken for a deployment."
  }

  assert {
    condition = {
      for key, binding in google_service_account_iam_member.ci : key => "${binding.role} ${binding.member}"
      } == {
      for key in ["plan", "deploy"] : key => "roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/perigee-ci/attribute.access/${key}"
    }
    error_message = "An account is bound to others than its kind of run."
  }

  assert {
    condition     = { for key, account in google_service_account.ci : key => account.account_id } == { plan = "perigee-plan", deploy = "perigee-deploy" }
    error_message = "Accounts are others."
  }
}

run "rights" {
  assert {
    condition = alltrue([
      for role in keys(google_project_iam_member.plan) :
      can(regex("[vV]iewer$|reader$|browser$|securityReviewer$|serviceUsageConsumer$", role)) && google_project_iam_member.plan[role].member == google_service_account.ci["plan"].member
    ])
    error_message = "A plan may change something."
  }

  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.plan.permissions : endswith(permission, ".get")])
    error_message = "The role of plans may do more than read."
  }

  assert {
    condition     = length(setintersection(keys(google_project_iam_member.deploy), ["roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin", "roles/iam.serviceAccountKeyAdmin", "roles/iam.serviceAccountTokenCreator"])) == 0
    error_message = "A deployment may do anything, or make keys."
  }

  assert {
    condition = (
      google_project_iam_member.deploy_grants.role == "roles/resourcemanager.projectIamAdmin" &&
      google_project_iam_member.deploy_grants.condition[0].expression == "api.getAttribute(\"iam.googleapis.com/modifiedGrantsByRole\", []).hasOnly([\"roles/cloudtrace.agent\", \"roles/logging.logWriter\", \"roles/monitoring.metricWriter\"])"
    )
    error_message = "A deployment may give any role."
  }

  assert {
    condition     = google_artifact_registry_repository_iam_member.deploy.role == "roles/artifactregistry.writer"
    error_message = "A deployment may do more with the registry than push."
  }
}

run "without_protection_in_two_regions" {
  variables {
    deletion_protection = false
    state_location      = "EUR4"
    deploy_ref          = "refs/heads/release"
  }

  assert {
    condition = (
      google_storage_bucket.state.deletion_policy == "DELETE" && google_artifact_registry_repository.images.deletion_policy == "DELETE" &&
      google_storage_bucket.state.location == "EUR4" &&
      strcontains(google_iam_workload_identity_pool_provider.github.attribute_condition, "assertion.ref == \"refs/heads/release\"") &&
      strcontains(google_iam_workload_identity_pool_provider.github.attribute_mapping["attribute.access"], "assertion.ref == \"refs/heads/release\"")
    )
    error_message = "A variable changes nothing."
  }
}

run "refuses_a_name" {
  command = plan
  variables {
    name = "Perigee"
  }
  expect_failures = [var.name]
}

run "refuses_names_for_numbers" {
  command = plan
  variables {
    repository = { owner_id = "perigee", id = "perigee/perigee" }
  }
  expect_failures = [var.repository]
}

run "refuses_a_pattern_of_refs" {
  command = plan
  variables {
    deploy_ref = "refs/heads/*"
  }
  expect_failures = [var.deploy_ref]
}

run "refuses_to_let_owners_be_made" {
  command = plan
  variables {
    grantable_roles = ["roles/owner"]
  }
  expect_failures = [var.grantable_roles]
}
