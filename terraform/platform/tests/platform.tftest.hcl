mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "cloudflare" {}
mock_provider "upstash" {}

variables {
  project_id   = "game-production"
  environment  = "production"
  image        = "europe-docker.pkg.dev/game-production/perigee/core@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  control_cell = "eu1"
  regions = {
    eu1 = { region = "europe-west1", near = ["EU", "AF"], subnet_cidr = "10.0.0.0/24" }
    us1 = { region = "us-central1", near = ["NA", "SA"], subnet_cidr = "10.0.1.0/24" }
  }
  edge = {
    account_id  = "0123456789abcdef0123456789abcdef"
    zone_id     = "fedcba9876543210fedcba9876543210"
    host        = "api.game.example"
    public_keys = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"x\":\"x\",\"y\":\"y\"}]}"
  }
  edge_cache = { primary_region = "eu-west-1", read_regions = ["us-east-1"] }
}

run "one_region" {
  variables {
    regions    = { eu1 = { region = "europe-west1", near = ["EU"], subnet_cidr = "10.0.0.0/24" } }
    edge_cache = { primary_region = "eu-west-1" }
  }

  assert {
    condition     = keys(output.cells) == ["eu1"] && length(google_service_account.core) == 3
    error_message = "one region is one cell with its three accounts"
  }
  assert {
    condition     = !anytrue([for name, subscription in output.names.subscriptions : contains(["replicate", "move-credentials"], subscription.consumer)])
    error_message = "a control cell without followers has no subscriptions of followers"
  }
}

run "two_regions" {
  assert {
    condition     = jsondecode(output.edge.vars.CELLS).us1.coreUrl == "https://perigee-us1-api-123456789012.us-central1.run.app"
    error_message = "the Worker asks each cell at Cloud Run's own address"
  }
  assert {
    condition     = jsondecode(output.edge.vars.CELLS).eu1.near == ["EU", "AF"]
    error_message = "the Worker knows which continents a cell is nearest to"
  }
  assert {
    condition     = output.edge.vars.CONTROL_CELL == "eu1" && output.edge.vars.ISSUER == "https://api.game.example"
    error_message = "edge and cores agree on the control cell and on who signs"
  }
  assert {
    condition     = keys(output.edge.secrets) == ["EDGE_KEYS", "GOOGLE_KEY", "UPSTASH_TOKEN"]
    error_message = "the Worker's secrets are named by where they are kept"
  }
  assert {
    condition     = output.names.topics == { events = "perigee-events", replication = "perigee-replication", dead-letters = "perigee-dead-letters" }
    error_message = "topics have the names that the core makes of PUBSUB_PREFIX"
  }
  assert {
    condition = keys(output.names.subscriptions) == [
      "perigee-eu1-dead-letters", "perigee-eu1-invalidate", "perigee-eu1-move-belongings",
      "perigee-us1-dead-letters", "perigee-us1-invalidate", "perigee-us1-move-belongings", "perigee-us1-move-credentials", "perigee-us1-replicate",
    ]
    error_message = "each cell has the subscriptions that its core takes events from"
  }
  assert {
    condition     = length(google_service_account.core) == 6
    error_message = "each role of each cell has an account of its own"
  }
  assert {
    condition     = google_service_account_iam_member.edge_is_worker.role == "roles/iam.serviceAccountOpenIdTokenCreator"
    error_message = "the Worker may make identity tokens, and nothing else, as the edge's account"
  }
  assert {
    condition     = google_iam_workload_identity_pool_provider.edge.attribute_condition == "assertion.sub == 'edge'"
    error_message = "nobody but the Worker is let in by its key"
  }
}

run "five_regions_with_everything" {
  variables {
    regions = {
      eu1 = { region = "europe-west1", near = ["EU", "AF"], subnet_cidr = "10.0.0.0/24", database = { replica = true, recovery_region = "europe-west4" } }
      us1 = { region = "us-central1", near = ["NA"], subnet_cidr = "10.0.1.0/24", database = { replica = true, recovery_region = "us-east4" } }
      sa1 = { region = "southamerica-east1", near = ["SA"], subnet_cidr = "10.0.2.0/24", cache = null }
      ap1 = { region = "asia-northeast1", near = ["AS"], subnet_cidr = "10.0.3.0/24" }
      oc1 = { region = "australia-southeast1", near = ["OC"], subnet_cidr = "10.0.4.0/24" }
    }
    edge_cache          = { primary_region = "eu-west-1", read_regions = ["us-east-1", "sa-east-1", "ap-southeast-1", "ap-southeast-2"] }
    load_balancer       = { domain = "core.game.example", allowed_ranges = ["173.245.48.0/20"] }
    analytics           = { location = "EU" }
    notification_emails = ["on-call@game.example"]
    budget              = { billing_account = "AAAAAA-BBBBBB-CCCCCC", amount = 1000 }
  }

  assert {
    condition     = length(output.cells) == 5 && length(output.names.subscriptions) == 3 + 4 * 5
    error_message = "five cells, of which four follow one"
  }
  assert {
    condition     = jsondecode(output.edge.vars.CELLS).oc1.coreUrl == "https://oc1.core.game.example"
    error_message = "behind a load balancer the Worker asks its hosts"
  }
  assert {
    condition     = contains(keys(output.cells.eu1.secrets), "database-replica-url") && !contains(keys(output.cells.sa1.secrets), "database-replica-url")
    error_message = "a cell with a replica has its address as a secret"
  }
  assert {
    condition     = output.cells.eu1.recovery != null && output.cells.ap1.recovery == null
    error_message = "a cell with a recovery region has a replica to promote"
  }
}

run "without_telemetry" {
  variables {
    telemetry = false
  }

  assert {
    condition     = length(module.observability) == 0 && length(output.objectives) == 0
    error_message = "without telemetry there is nothing to alert on"
  }
}

run "a_project_by_number" {
  command = plan
  variables {
    project_id = "123456789012"
  }
  expect_failures = [var.project_id]
}

run "a_name_that_makes_accounts_too_long" {
  command = plan
  variables {
    name = "perigee-of-a-game"
  }
  expect_failures = [var.name]
}

run "an_environment_with_capitals" {
  command = plan
  variables {
    environment = "Production"
  }
  expect_failures = [var.environment]
}

run "an_image_by_tag" {
  command = plan
  variables {
    image = "europe-docker.pkg.dev/game-production/perigee/core:latest"
  }
  expect_failures = [var.image]
}

run "a_control_cell_that_is_none" {
  command = plan
  variables {
    control_cell = "ap1"
  }
  expect_failures = [var.control_cell]
}

run "no_region" {
  command = plan
  variables {
    regions = {}
  }
  expect_failures = [var.regions]
}

run "a_cell_that_no_id_can_carry" {
  command = plan
  variables {
    control_cell = "eu-1"
    regions      = { eu-1 = { region = "europe-west1", near = ["EU"], subnet_cidr = "10.0.0.0/24" } }
  }
  expect_failures = [var.regions]
}

run "a_continent_that_is_none" {
  command = plan
  variables {
    regions = { eu1 = { region = "europe-west1", near = ["Europe"], subnet_cidr = "10.0.0.0/24" } }
  }
  expect_failures = [var.regions]
}

run "two_cells_in_one_region" {
  command = plan
  variables {
    regions = {
      eu1 = { region = "europe-west1", near = ["EU"], subnet_cidr = "10.0.0.0/24" }
      eu2 = { region = "europe-west1", near = ["AF"], subnet_cidr = "10.0.1.0/24" }
    }
  }
  expect_failures = [var.regions]
}

run "a_private_key_among_the_public_ones" {
  command = plan
  variables {
    edge = {
      account_id  = "0123456789abcdef0123456789abcdef"
      zone_id     = "fedcba9876543210fedcba9876543210"
      host        = "api.game.example"
      public_keys = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"x\":\"x\",\"y\":\"y\",\"d\":\"secret\"}]}"
    }
  }
  expect_failures = [var.edge]
}

run "an_address_in_the_place_of_a_host" {
  command = plan
  variables {
    edge = {
      account_id  = "0123456789abcdef0123456789abcdef"
      zone_id     = "fedcba9876543210fedcba9876543210"
      host        = "https://api.game.example"
      public_keys = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"x\":\"x\",\"y\":\"y\"}]}"
    }
  }
  expect_failures = [var.edge]
}

run "a_name_that_google_keeps_to_itself" {
  command = plan
  variables {
    name = "google"
  }
  expect_failures = [var.name]
}

run "a_name_of_which_no_identity_pool_can_be" {
  command = plan
  variables {
    name = "gcp"
  }
  expect_failures = [var.name]
}

run "a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    name = "perigee-"
  }
  expect_failures = [var.name]
}

run "an_environment_that_ends_with_a_hyphen" {
  command = plan
  variables {
    environment = "production-"
  }
  expect_failures = [var.environment]
}

run "a_zone_in_the_place_of_a_region" {
  command = plan
  variables {
    regions = { eu1 = { region = "europe-west1-b", near = ["EU"], subnet_cidr = "10.0.0.0/24" } }
  }
  expect_failures = [var.regions]
}

run "a_continent_that_two_cells_are_near_to" {
  command = plan
  variables {
    regions = {
      eu1 = { region = "europe-west1", near = ["EU"], subnet_cidr = "10.0.0.0/24" }
      us1 = { region = "us-central1", near = ["EU", "NA"], subnet_cidr = "10.0.1.0/24" }
    }
  }
  expect_failures = [var.regions]
}

run "half_an_epoch" {
  command = plan
  variables {
    secrets_epoch = 1.5
  }
  expect_failures = [var.secrets_epoch]
}

run "a_label_with_capitals" {
  command = plan
  variables {
    labels = { Team = "live-ops" }
  }
  expect_failures = [var.labels]
}

run "keys_that_are_no_keys" {
  command = plan
  variables {
    edge = {
      account_id  = "0123456789abcdef0123456789abcdef"
      zone_id     = "fedcba9876543210fedcba9876543210"
      host        = "api.game.example"
      public_keys = "{\"keys\":[\"one\"]}"
    }
  }
  expect_failures = [var.edge]
}

run "a_share_of_traces_above_all_of_them" {
  command = plan
  variables {
    edge = {
      account_id  = "0123456789abcdef0123456789abcdef"
      zone_id     = "fedcba9876543210fedcba9876543210"
      host        = "api.game.example"
      trace_share = 1.5
      public_keys = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"x\":\"x\",\"y\":\"y\"}]}"
    }
  }
  expect_failures = [var.edge]
}

run "a_subnet_that_a_release_would_use_up" {
  command = plan
  variables {
    regions = {
      eu1 = { region = "europe-west1", near = ["EU"], subnet_cidr = "10.0.0.0/26", api = { max = 20 }, database = { max_connections = 1000 } }
    }
  }
  expect_failures = [output.cells]
}
