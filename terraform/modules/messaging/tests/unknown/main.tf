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

# Its output may be anything until it is there, null too, as far as a plan can tell.
resource "terraform_data" "unknown" {
  input = "anything"
}

module "messaging" {
  source = "../.."

  name            = "perigee"
  project_id      = var.project_id
  control_cell    = "eu1"
  cells           = { eu1 = { region = "europe-west1", push_url = terraform_data.unknown.output } }
  topics          = { events = "events", replication = "replication", dead-letters = "dead-letters" }
  subscriptions   = { for consumer in ["invalidate", "move-belongings", "dead-letters"] : consumer => { topic = consumer == "dead-letters" ? consumer : "events", cells = "all" } }
  push            = { service_account = terraform_data.unknown.output, audience = terraform_data.unknown.output }
  publishers      = { eu1 = terraform_data.unknown.output }
  subscribers     = { eu1 = terraform_data.unknown.output }
  storage_regions = ["europe-west1"]
}

output "subscriptions" {
  description = "Of the one cell."
  value       = module.messaging.subscriptions
}
