# What a change changes is read from the plans of these runs: see test/terraform/plans.ts.

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

run "everything_is_made" {
  command = apply
}

run "the_same_again" {
  command = plan
}

run "regions_in_another_order" {
  command = plan

  variables {
    regions = {
      us1 = { region = "us-central1", near = ["NA", "SA"], subnet_cidr = "10.0.1.0/24" }
      eu1 = { region = "europe-west1", near = ["EU", "AF"], subnet_cidr = "10.0.0.0/24" }
    }
  }
}

run "another_image" {
  command = plan

  variables {
    image = "europe-docker.pkg.dev/game-production/perigee/core@sha256:2222222222222222222222222222222222222222222222222222222222222222"
  }
}

# Its name sorts before the others: what is counted rather than named would move.
run "one_more_region" {
  command = plan

  variables {
    regions = {
      ap1 = { region = "asia-northeast1", near = ["AS", "OC"], subnet_cidr = "10.0.2.0/24" }
      eu1 = { region = "europe-west1", near = ["EU", "AF"], subnet_cidr = "10.0.0.0/24" }
      us1 = { region = "us-central1", near = ["NA", "SA"], subnet_cidr = "10.0.1.0/24" }
    }
  }
}
