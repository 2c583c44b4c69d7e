terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.19, < 8"
    }
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "~> 5.22"
    }
    upstash = {
      source  = "upstash/upstash"
      version = "~> 2.0"
    }
    random = {
      source  = "hashicorp/random"
      version = ">= 3.7, < 4"
    }
  }

  # Bucket and prefix are given to `terraform init`, for they differ by deployment: see ../README.md.
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
  # A budget belongs to an account and not to a project: without these a person's own credentials have none to be counted by.
  billing_project       = var.project_id
  user_project_override = true
}

# CLOUDFLARE_API_TOKEN, UPSTASH_EMAIL and UPSTASH_API_KEY are in the environment of whoever applies.
provider "cloudflare" {}

provider "upstash" {}
