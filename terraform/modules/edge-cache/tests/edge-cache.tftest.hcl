mock_provider "upstash" {
  mock_resource "upstash_redis_database" {
    defaults = {
      endpoint             = "apt-mole-1.upstash.io"
      rest_token           = "write"
      read_only_rest_token = "read"
    }
  }
}

variables {
  name           = "perigee"
  primary_region = "eu-west-1"
}

run "a_database_of_one_region" {
  assert {
    condition     = upstash_redis_database.cache.tls == true
    error_message = "Without tls = true the plan after the first one replaces the database."
  }

  assert {
    condition     = upstash_redis_database.cache.eviction == false
    error_message = "An evicted version lets an entry be served that it should disqualify."
  }

  assert {
    condition     = upstash_redis_database.cache.region == "global" && upstash_redis_database.cache.primary_region == "eu-west-1"
    error_message = "The database is global, so that regions can be added without making it anew."
  }

  assert {
    condition     = length(upstash_redis_database.cache.read_regions) == 0
    error_message = "No region is read from that was not asked for."
  }

  assert {
    condition     = upstash_redis_database.cache.database_name == "perigee-edge"
    error_message = "The name is the deployment's prefix and what it is."
  }

  assert {
    condition     = output.url == "https://apt-mole-1.upstash.io" && output.keys_max == 2000000
    error_message = "The edge gets the address of the REST API, and a million keys a gigabyte."
  }

  assert {
    condition     = nonsensitive(output.token) == "write" && nonsensitive(output.read_only_token) == "read"
    error_message = "The token of the edge and of the cores is the one that writes."
  }

  assert {
    condition     = issensitive(output.token) && issensitive(output.read_only_token)
    error_message = "No plan prints a token."
  }
}

run "read_regions_and_all_options" {
  variables {
    read_regions = ["us-east-1", "ap-southeast-1"]
    size_gb      = 0.5
    budget       = 360
    auto_scale   = false
    prod_pack    = true
  }

  assert {
    condition     = upstash_redis_database.cache.read_regions == toset(["ap-southeast-1", "us-east-1"])
    error_message = "Reads are answered in the regions that were asked for."
  }

  assert {
    condition = (
      upstash_redis_database.cache.budget == 360 &&
      upstash_redis_database.cache.auto_scale == false &&
      upstash_redis_database.cache.prod_pack == true
    )
    error_message = "Budget, growth and Prod Pack are as they were asked for."
  }

  assert {
    condition     = output.keys_max == 500000
    error_message = "Half a gigabyte holds half a million keys."
  }
}

run "read_regions_in_another_order_change_nothing" {
  command = plan

  variables {
    read_regions = ["ap-southeast-1", "us-east-1"]
  }

  assert {
    condition     = upstash_redis_database.cache.read_regions == toset(["us-east-1", "ap-southeast-1"])
    error_message = "Regions are a set."
  }
}

run "the_primary_is_no_read_region" {
  command = plan

  variables {
    read_regions = ["us-east-1", "eu-west-1"]
  }

  expect_failures = [var.read_regions]
}

run "an_unknown_read_region" {
  command = plan

  variables {
    read_regions = ["europe-west1"]
  }

  expect_failures = [var.read_regions]
}

run "an_unknown_primary_region" {
  command = plan

  variables {
    primary_region = "europe-west1"
  }

  expect_failures = [var.primary_region]
}

run "a_bad_name" {
  command = plan

  variables {
    name = "Perigee"
  }

  expect_failures = [var.name]
}

run "a_size_that_no_plan_has" {
  command = plan

  variables {
    size_gb = 0
  }

  expect_failures = [var.size_gb]
}

run "a_budget_that_throttles" {
  command = plan

  variables {
    budget = 19
  }

  expect_failures = [var.budget]
}

run "a_budget_in_cents" {
  command = plan

  variables {
    budget = 20.5
  }

  expect_failures = [var.budget]
}
