# The module as the platform calls it, with addresses and accounts that are known after the apply alone.

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

resource "terraform_data" "unknown" {}

module "messaging" {
  source = "../.."

  name            = "perigee"
  project_id      = var.project_id
  control_cell    = "eu1"
  cells           = { eu1 = { region = "europe-west1", push_url = terraform_data.unknown.id } }
  topics          = { events = "events", replication = "replication", dead-letters = "dead-letters" }
  subscriptions   = { for consumer in ["invalidate", "move-belongings", "dead-letters"] : consumer => { topic = consumer == "dead-letters" ? consumer : "events", cells = "all" } }
  push            = { service_account = terraform_data.unknown.id, audience = terraform_data.unknown.id }
  publishers      = { eu1 = terraform_data.unknown.id }
  subscribers     = { eu1 = terraform_data.unknown.id }
  storage_regions = ["europe-west1"]
}

output "subscriptions" {
  description = "Of the one cell."
  value       = module.messaging.subscriptions
}
