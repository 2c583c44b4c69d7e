mock_provider "google" {}

variables {
  name       = "perigee-eu1"
  project_id = "perigee-test"
  region     = "europe-west1"
  image      = "europe-docker.pkg.dev/perigee-test/perigee/core@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  service_accounts = {
    api     = "eu1-api@perigee-test.iam.gserviceaccount.com"
    worker  = "eu1-worker@perigee-test.iam.gserviceaccount.com"
    migrate = "eu1-migrate@perigee-test.iam.gserviceaccount.com"
  }
  environment = {
    CELL        = "eu1"
    ISSUER      = "https://api.example.com"
    UPSTASH_URL = "https://eu1.upstash.io"
  }
  secrets = {
    api = {
      DATABASE_URL  = { secret = "projects/perigee-test/secrets/perigee-eu1-database-url", version = "3" }
      MASTER_KEYS   = { secret = "projects/perigee-test/secrets/perigee-eu1-master-keys", version = "1" }
      EDGE_KEYS     = { secret = "projects/perigee-test/secrets/perigee-eu1-edge-keys", version = "latest" }
      UPSTASH_TOKEN = { secret = "projects/perigee-test/secrets/perigee-eu1-upstash-token", version = "1" }
    }
    worker = {
      DATABASE_URL  = { secret = "projects/perigee-test/secrets/perigee-eu1-database-url", version = "3" }
      MASTER_KEYS   = { secret = "projects/perigee-test/secrets/perigee-eu1-master-keys", version = "1" }
      EDGE_KEYS     = { secret = "projects/perigee-test/secrets/perigee-eu1-edge-keys", version = "latest" }
      UPSTASH_TOKEN = { secret = "projects/perigee-test/secrets/perigee-eu1-upstash-token", version = "1" }
    }
    migrate = {
      DATABASE_URL = { secret = "projects/perigee-test/secrets/perigee-eu1-database-url", version = "3" }
      MASTER_KEYS  = { secret = "projects/perigee-test/secrets/perigee-eu1-master-keys", version = "1" }
    }
  }
  max_connections = 500
  network         = "projects/perigee-test/global/networks/perigee"
  subnet          = "projects/perigee-test/regions/europe-west1/subnetworks/perigee-eu1"
  audiences       = ["https://core.perigee.example"]
  invokers = {
    api = {
      edge     = "serviceAccount:edge@perigee-test.iam.gserviceaccount.com"
      cell-us1 = "serviceAccount:us1-api@perigee-test.iam.gserviceaccount.com"
    }
    worker = { push = "serviceAccount:push@perigee-test.iam.gserviceaccount.com" }
  }
  contract = jsondecode(file("../../contract.json"))
}

run "a_cell_is_two_services_of_one_image" {
  command = plan

  assert {
    condition     = { for role, service in google_cloud_run_v2_service.this : role => service.name } == { api = "perigee-eu1-api", worker = "perigee-eu1-worker" }
    error_message = "A cell has an api and a worker."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : one([for container in service.template[0].containers : container.image if container.name == "core"]) == var.image])
    error_message = "Both run the image that was named."
  }
  assert {
    condition     = alltrue([for role, service in google_cloud_run_v2_service.this : service.template[0].service_account == var.service_accounts[role]])
    error_message = "Each runs as its own account."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.deletion_protection && service.location == "europe-west1" && service.project == "perigee-test"])
    error_message = "No apply deletes a service."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.invoker_iam_disabled != true && service.custom_audiences == tolist(["https://core.perigee.example"])])
    error_message = "IAM is asked at each request, and one audience is good in every cell."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.template[0].execution_environment == "EXECUTION_ENVIRONMENT_GEN2" && service.template[0].timeout == "60s" && service.template[0].max_instance_request_concurrency == 250])
    error_message = "Requests have bounds."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.template[0].containers[0].resources[0].cpu_idle == false && service.template[0].containers[0].resources[0].startup_cpu_boost])
    error_message = "Work goes on between requests."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" && service.template[0].vpc_access[0].network_interfaces[0].subnetwork == var.subnet
    ])
    error_message = "Postgres and Memorystore are reached through the subnet of the cell."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : one(service.traffic).percent == 100 && one(service.traffic).type == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"])
    error_message = "A release gets all requests when it is ready."
  }
}

run "an_instance_gets_requests_only_while_it_is_ready" {
  command = plan

  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].startup_probe[0].http_get[0].path == var.contract.paths.ready &&
      service.template[0].containers[0].startup_probe[0].period_seconds * service.template[0].containers[0].startup_probe[0].failure_threshold <= 240
    ])
    error_message = "An instance has started when the core says that it is ready, within what Cloud Run waits for."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      length(service.template[0].containers[0].readiness_probe) == 1 && service.template[0].containers[0].readiness_probe[0].http_get[0].path == var.contract.paths.ready
    ])
    error_message = "What is not ready gets no requests."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.template[0].containers[0].liveness_probe[0].http_get[0].path == var.contract.paths.live])
    error_message = "What hangs is started anew, and only that: a core without its database lives."
  }
  assert {
    condition = alltrue(flatten([
      for service in google_cloud_run_v2_service.this : [
        for container in service.template[0].containers : [
          for probe in concat(container.startup_probe, container.readiness_probe, container.liveness_probe) : probe.timeout_seconds <= probe.period_seconds
        ]
      ]
    ]))
    error_message = "No probe lasts longer than until the next."
  }
}

run "only_the_invokers_call" {
  command = plan

  assert {
    condition = { for key, grant in google_cloud_run_v2_service_iam_member.invoker : key => grant.member } == {
      "api/edge"     = "serviceAccount:edge@perigee-test.iam.gserviceaccount.com"
      "api/cell-us1" = "serviceAccount:us1-api@perigee-test.iam.gserviceaccount.com"
      "worker/push"  = "serviceAccount:push@perigee-test.iam.gserviceaccount.com"
    }
    error_message = "Exactly those who were named may call, each their own service."
  }
  assert {
    condition     = alltrue([for key, grant in google_cloud_run_v2_service_iam_member.invoker : grant.role == "roles/run.invoker" && grant.name == "perigee-eu1-${split("/", key)[0]}"])
    error_message = "They may call, and do nothing else."
  }
  assert {
    condition     = google_cloud_run_v2_service.this["worker"].ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && google_cloud_run_v2_service.this["api"].ingress == "INGRESS_TRAFFIC_ALL"
    error_message = "Nobody outside reaches the worker."
  }
}

run "the_settings_are_complete" {
  command = plan

  assert {
    condition = { for env in google_cloud_run_v2_service.this["worker"].template[0].containers[0].env : env.name => env.value if length(env.value_source) == 0 && !startswith(env.name, "OTEL_") } == {
      CELL          = "eu1"
      ISSUER        = "https://api.example.com"
      UPSTASH_URL   = "https://eu1.upstash.io"
      ROLE          = "worker"
      DATABASE_POOL = "10"
      INSTANCES_MAX = "12"
    }
    error_message = "The core has its settings, and those that follow from others."
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[0].env : env.value if env.name == "ROLE"]) == "api"
    error_message = "The api is an api."
  }
  assert {
    condition = { for env in google_cloud_run_v2_service.this["api"].template[0].containers[0].env : env.name => one(one(env.value_source).secret_key_ref).version if length(env.value_source) > 0 } == {
      DATABASE_URL = "3", MASTER_KEYS = "1", EDGE_KEYS = "latest", UPSTASH_TOKEN = "1"
    }
    error_message = "Secrets come from Secret Manager, in the version that was named."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : alltrue([for env in service.template[0].containers[0].env : env.name != "PORT"])])
    error_message = "PORT is Cloud Run's."
  }
  assert {
    condition     = output.instances_max == 12
    error_message = "Four of api and two of worker, twice while a release replaces another."
  }
}

run "a_migration_comes_before_the_services" {
  command = apply

  assert {
    condition     = google_cloud_run_v2_job.migrate.template[0].template[0].containers[0].image == var.image && google_cloud_run_v2_job.migrate.template[0].template[0].containers[0].args == tolist(["sh", "-ec", "node db/migrate.ts; node core/commands/keys.ts create signing --if-none"])
    error_message = "The image migrates for itself, and a cell that has no key to sign with gets one."
  }
  assert {
    condition     = google_cloud_run_v2_job.migrate.run_execution_token == substr(sha256(var.image), 0, 8)
    error_message = "The job runs by being made, and is waited for."
  }
  assert {
    condition     = sort([for env in google_cloud_run_v2_job.migrate.template[0].template[0].containers[0].env : env.name]) == sort(["CELL", "DATABASE_URL", "MASTER_KEYS"]) && google_cloud_run_v2_job.migrate.template[0].template[0].service_account == var.service_accounts.migrate
    error_message = "A migration reads what it needs and no more, as an account of its own."
  }
  assert {
    condition     = google_cloud_run_v2_job.migrate.timeouts.create == "70m" && google_cloud_run_v2_job.migrate.template[0].template[0].max_retries == 1 && google_cloud_run_v2_job.migrate.template[0].template[0].timeout == "1800s"
    error_message = "The apply waits for as long as both attempts may take."
  }
  assert {
    condition     = output.migrate_job == "perigee-eu1-migrate" && google_cloud_run_v2_job.migrate.deletion_protection == false
    error_message = "The job keeps its name, and the next release can replace it."
  }
}

run "a_new_image_is_migrated_with_anew" {
  command = apply
  variables {
    image = "europe-docker.pkg.dev/perigee-test/perigee/core@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }

  assert {
    condition     = google_cloud_run_v2_job.migrate.run_execution_token == substr(sha256(var.image), 0, 8)
    error_message = "A new image makes the job anew, which runs it."
  }
}

run "a_new_version_of_a_secret_is_no_reason_to_migrate" {
  command = plan
  variables {
    secrets = {
      api     = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "2" } }
      worker  = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "2" } }
      migrate = { for key in ["DATABASE_URL", "MASTER_KEYS"] : key => { secret = lower(key), version = "2" } }
    }
  }

  assert {
    condition     = terraform_data.migration.input.secrets == { DATABASE_URL = "database_url", MASTER_KEYS = "master_keys" }
    error_message = "What makes a job anew has no version in it."
  }
  assert {
    condition = alltrue([
      for env in google_cloud_run_v2_job.migrate.template[0].template[0].containers[0].env :
      one(one(env.value_source).secret_key_ref).version == "latest" if length(env.value_source) > 0
    ])
    error_message = "A migration reads the newest."
  }
}

run "the_control_cell_is_told_to_the_job" {
  command = plan
  variables {
    environment = {
      CELL         = "eu1"
      CONTROL_CELL = "us1"
      ISSUER       = "https://api.example.com"
      UPSTASH_URL  = "https://eu1.upstash.io"
    }
  }

  assert {
    condition = (
      { for env in google_cloud_run_v2_job.migrate.template[0].template[0].containers[0].env : env.name => env.value if length(env.value_source) == 0 } == { CELL = "eu1", CONTROL_CELL = "us1" }
    )
    error_message = "What is decided in the control cell alone is refused elsewhere."
  }
}

run "a_collector_stands_beside_the_core" {
  command = plan

  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : [for container in service.template[0].containers : container.name] == ["core", "collector"]])
    error_message = "Each instance has a collector."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.template[0].containers[0].depends_on == tolist(["collector"]) && length(service.template[0].containers[1].startup_probe) == 1])
    error_message = "The core starts when the collector has."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : length(service.template[0].containers[1].ports) == 0 && service.template[0].containers[1].resources[0].cpu_idle == false])
    error_message = "Requests go to the core, and both work between them."
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[0].env : env.value if env.name == "OTEL_EXPORTER_OTLP_ENDPOINT"]) == "http://127.0.0.1:4318"
    error_message = "The core sends to the collector."
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[0].env : env.value if env.name == "OTEL_RESOURCE_ATTRIBUTES"]) == "cloud.region=europe-west1"
    error_message = "What is told says where it comes from."
  }
  assert {
    condition = jsondecode(one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[1].env : env.value if env.name == "COLLECTOR_CONFIG"])).processors.resource.attributes == [
      { action = "upsert", key = "cluster", value = "perigee" },
      { action = "upsert", key = "location", value = "europe-west1" },
      { action = "upsert", key = "namespace", value = "eu1" },
    ]
    error_message = "Series are told apart by region, cell and deployment."
  }
  assert {
    condition = alltrue([
      for name, pipeline in jsondecode(one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[1].env : env.value if env.name == "COLLECTOR_CONFIG"])).service.pipelines :
      pipeline.receivers == ["otlp"] && pipeline.exporters == [name == "traces" ? "googlecloud" : "googlemanagedprometheus"]
    ])
    error_message = "Traces and metrics each have their way to Google Cloud."
  }
  assert {
    condition     = keys(google_project_iam_member.collector) == ["api/roles/cloudtrace.agent", "api/roles/monitoring.metricWriter", "worker/roles/cloudtrace.agent", "worker/roles/monitoring.metricWriter"]
    error_message = "Both accounts may write traces and metrics, and no more."
  }
}

run "without_a_collector_the_core_is_silent" {
  command = plan
  variables {
    collector = null
  }

  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : length(service.template[0].containers) == 1 && length(service.template[0].containers[0].depends_on) == 0])
    error_message = "There is no collector to wait for."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : alltrue([for env in service.template[0].containers[0].env : !startswith(env.name, "OTEL_")])])
    error_message = "Nothing is sent where nobody listens."
  }
  assert {
    condition     = length(google_project_iam_member.collector) == 0
    error_message = "Rights that nobody needs are not given."
  }
}

run "a_telemetry_setting_of_ones_own_wins" {
  command = plan
  variables {
    environment = {
      CELL                        = "eu1"
      ISSUER                      = "https://api.example.com"
      UPSTASH_URL                 = "https://eu1.upstash.io"
      OTEL_EXPORTER_OTLP_ENDPOINT = "https://collector.example.com"
    }
  }

  assert {
    condition     = one([for env in google_cloud_run_v2_service.this["api"].template[0].containers[0].env : env.value if env.name == "OTEL_EXPORTER_OTLP_ENDPOINT"]) == "https://collector.example.com"
    error_message = "Another destination can be named."
  }
}

run "behind_a_load_balancer" {
  command = plan
  variables {
    ingress = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    egress  = "ALL_TRAFFIC"
  }

  assert {
    condition     = google_cloud_run_v2_service.this["api"].ingress == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" && google_cloud_run_v2_service.this["worker"].ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The load balancer leads to the api, and nothing to the worker."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.template[0].vpc_access[0].egress == "ALL_TRAFFIC"])
    error_message = "All that instances send goes through the network."
  }
}

run "sizes_are_as_they_were_given" {
  command = plan
  variables {
    api                 = { min = 2, max = 10, cpu = 4, memory = "2Gi", concurrency = 500, timeout_seconds = 30 }
    worker              = { min = 2, max = 3, cpu = 2, memory = "2Gi" }
    database_pool       = 16
    max_connections     = 600
    release_overlap     = 1.5
    labels              = { deployment = "perigee" }
    deletion_protection = false
  }

  assert {
    condition = (
      google_cloud_run_v2_service.this["api"].template[0].scaling[0].min_instance_count == 2 &&
      google_cloud_run_v2_service.this["api"].template[0].scaling[0].max_instance_count == 10 &&
      google_cloud_run_v2_service.this["api"].template[0].containers[0].resources[0].limits == tomap({ cpu = "4", memory = "2Gi" }) &&
      google_cloud_run_v2_service.this["api"].template[0].max_instance_request_concurrency == 500 &&
      google_cloud_run_v2_service.this["api"].template[0].timeout == "30s" &&
      google_cloud_run_v2_service.this["worker"].template[0].scaling[0].max_instance_count == 3
    )
    error_message = "A service is as large as it was asked to be."
  }
  assert {
    condition     = output.instances_max == 20
    error_message = "Thirteen, and half as many while a release replaces another: 19.5, rounded up."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.this : service.labels == tomap({ deployment = "perigee" }) && service.deletion_protection == false])
    error_message = "Labels and protection are as they were asked for."
  }
}

# 12 x (10 + 2) = 144, and 0.8 x (183 - 3) = 144.
run "pools_that_just_fit_are_taken" {
  command = plan
  variables {
    max_connections = 183
  }
}

run "pools_above_the_connections_are_refused" {
  command = plan
  variables {
    max_connections = 182
  }
  expect_failures = [var.max_connections]
}

run "more_instances_than_connections_are_refused" {
  command = plan
  variables {
    api = { max = 40 }
  }
  expect_failures = [var.max_connections]
}

run "an_image_by_tag_is_refused" {
  command = plan
  variables {
    image = "europe-docker.pkg.dev/perigee-test/perigee/core:latest"
  }
  expect_failures = [var.image]
}

run "half_a_digest_is_refused" {
  command = plan
  variables {
    image = "europe-docker.pkg.dev/perigee-test/perigee/core@sha256:aaaa"
  }
  expect_failures = [var.image]
}

run "everybody_is_no_invoker" {
  command = plan
  variables {
    invokers = { api = { edge = "allUsers" }, worker = {} }
  }
  expect_failures = [var.invokers]
}

run "whoever_is_signed_in_is_no_invoker" {
  command = plan
  variables {
    invokers = { api = {}, worker = { push = "allAuthenticatedUsers" } }
  }
  expect_failures = [var.invokers]
}

run "a_domain_is_no_invoker" {
  command = plan
  variables {
    invokers = { api = { all = "domain:example.com" }, worker = {} }
  }
  expect_failures = [var.invokers]
}

run "a_secret_in_the_environment_is_refused" {
  command = plan
  variables {
    environment = {
      CELL        = "eu1"
      ISSUER      = "https://api.example.com"
      UPSTASH_URL = "https://eu1.upstash.io"
      MASTER_KEYS = "1:c2VjcmV0"
    }
  }
  expect_failures = [var.environment]
}

run "a_password_in_an_address_is_refused" {
  command = plan
  variables {
    environment = {
      CELL        = "eu1"
      ISSUER      = "https://api.example.com"
      UPSTASH_URL = "https://eu1.upstash.io"
      REDIS_URL   = "rediss://default:word@10.0.0.3:6379"
    }
  }
  expect_failures = [var.environment]
}

run "a_setting_that_is_derived_is_refused" {
  command = plan
  variables {
    environment = {
      CELL          = "eu1"
      ISSUER        = "https://api.example.com"
      UPSTASH_URL   = "https://eu1.upstash.io"
      INSTANCES_MAX = "1"
    }
  }
  expect_failures = [var.environment]
}

run "a_setting_that_there_is_not_is_refused" {
  command = plan
  variables {
    environment = {
      CELL        = "eu1"
      ISSUER      = "https://api.example.com"
      UPSTASH_URL = "https://eu1.upstash.io"
      REDIS_HOST  = "10.0.0.3"
    }
  }
  expect_failures = [var.environment]
}

run "a_cell_of_another_name_is_refused" {
  command = plan
  variables {
    environment = { CELL = "us1", ISSUER = "https://api.example.com", UPSTASH_URL = "https://eu1.upstash.io" }
  }
  expect_failures = [var.environment]
}

run "a_setting_that_is_missing_is_refused" {
  command = plan
  variables {
    environment = { CELL = "eu1", UPSTASH_URL = "https://eu1.upstash.io" }
  }
  expect_failures = [var.secrets]
}

run "a_secret_that_is_missing_is_refused" {
  command = plan
  variables {
    secrets = {
      api     = { DATABASE_URL = { secret = "database-url", version = "1" } }
      worker  = { DATABASE_URL = { secret = "database-url", version = "1" } }
      migrate = { for key in ["DATABASE_URL", "MASTER_KEYS"] : key => { secret = lower(key), version = "1" } }
    }
  }
  expect_failures = [var.secrets]
}

run "a_migration_with_more_than_it_needs_is_refused" {
  command = plan
  variables {
    secrets = {
      api     = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "1" } }
      worker  = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "1" } }
      migrate = { for key in ["DATABASE_URL", "MASTER_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "1" } }
    }
  }
  expect_failures = [var.secrets]
}

run "a_setting_that_is_no_secret_is_refused_among_them" {
  command = plan
  variables {
    secrets = {
      api     = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN", "REDIS_URL"] : key => { secret = lower(key), version = "1" } }
      worker  = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "1" } }
      migrate = { for key in ["DATABASE_URL", "MASTER_KEYS"] : key => { secret = lower(key), version = "1" } }
    }
  }
  expect_failures = [var.secrets]
}

run "a_version_that_is_none_is_refused" {
  command = plan
  variables {
    secrets = {
      api     = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "newest" } }
      worker  = { for key in ["DATABASE_URL", "MASTER_KEYS", "EDGE_KEYS", "UPSTASH_TOKEN"] : key => { secret = lower(key), version = "1" } }
      migrate = { for key in ["DATABASE_URL", "MASTER_KEYS"] : key => { secret = lower(key), version = "1" } }
    }
  }
  expect_failures = [var.secrets]
}

run "one_account_for_all_is_refused" {
  command = plan
  variables {
    service_accounts = {
      api     = "core@perigee-test.iam.gserviceaccount.com"
      worker  = "core@perigee-test.iam.gserviceaccount.com"
      migrate = "core@perigee-test.iam.gserviceaccount.com"
    }
  }
  expect_failures = [var.service_accounts]
}

run "a_cell_without_a_worker_is_refused" {
  command = plan
  variables {
    worker = { min = 0 }
  }
  expect_failures = [var.worker]
}

run "more_workers_at_the_least_than_at_the_most_are_refused" {
  command = plan
  variables {
    worker = { min = 3, max = 2 }
  }
  expect_failures = [var.worker]
}

run "a_worker_of_half_a_cpu_is_refused" {
  command = plan
  variables {
    worker = { cpu = 0.5 }
  }
  expect_failures = [var.worker]
}

run "a_worker_without_concurrency_is_refused" {
  command = plan
  variables {
    worker = { concurrency = 0 }
  }
  expect_failures = [var.worker]
}

run "more_of_api_at_the_least_than_at_the_most_is_refused" {
  command = plan
  variables {
    api = { min = 5, max = 4 }
  }
  expect_failures = [var.api]
}

run "four_of_cpu_with_a_gigabyte_are_refused" {
  command = plan

  variables {
    api = { cpu = 4, memory = "1Gi" }
  }

  expect_failures = [var.api]
}

run "one_of_cpu_with_five_gigabytes_is_refused" {
  command = plan

  variables {
    worker = { cpu = 1, memory = "5Gi" }
  }

  expect_failures = [var.worker]
}

run "half_an_instance_is_refused" {
  command = plan

  variables {
    api = { max = 2.5 }
  }

  expect_failures = [var.api]
}

run "memory_without_a_unit_is_refused" {
  command = plan
  variables {
    api = { memory = "1" }
  }
  expect_failures = [var.api]
}

run "a_request_that_may_take_for_ever_is_refused" {
  command = plan
  variables {
    api = { timeout_seconds = 7200 }
  }
  expect_failures = [var.api]
}

run "a_pool_of_one_is_refused" {
  command = plan
  variables {
    database_pool = 1
  }
  expect_failures = [var.database_pool]
}

run "an_overlap_below_one_is_refused" {
  command = plan
  variables {
    release_overlap = 0.5
  }
  expect_failures = [var.release_overlap]
}

run "one_path_for_both_probes_is_refused" {
  command = plan
  variables {
    contract = merge(jsondecode(file("../../contract.json")), { paths = { live = "/health", ready = "/health" } })
  }
  expect_failures = [var.contract]
}

run "no_audience_is_refused" {
  command = plan
  variables {
    audiences = []
  }
  expect_failures = [var.audiences]
}

run "an_ingress_that_there_is_not_is_refused" {
  command = plan
  variables {
    ingress = "all"
  }
  expect_failures = [var.ingress]
}

run "other_cells_that_could_not_call_are_refused" {
  command = plan
  variables {
    ingress = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    environment = {
      CELL        = "eu1"
      ISSUER      = "https://api.example.com"
      UPSTASH_URL = "https://eu1.upstash.io"
      CELLS       = "{\"eu1\":\"https://eu1.example.com\",\"us1\":\"https://us1.example.com\"}"
    }
  }
  expect_failures = [var.ingress]
}

run "an_egress_that_there_is_not_is_refused" {
  command = plan
  variables {
    egress = "NONE"
  }
  expect_failures = [var.egress]
}

run "a_collector_that_moves_is_refused" {
  command = plan
  variables {
    collector = { image = "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:latest" }
  }
  expect_failures = [var.collector]
}

run "a_migration_of_a_second_is_refused" {
  command = plan
  variables {
    migration_timeout_seconds = 1
  }
  expect_failures = [var.migration_timeout_seconds]
}

run "a_name_that_fits_no_host_is_refused" {
  command = plan
  variables {
    name = "perigee-with-a-name-that-is-longer-than-it-may-be-eu1"
  }
  expect_failures = [var.name]
}
