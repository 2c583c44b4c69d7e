terraform {
  # Ephemeral values elsewhere in the platform, and validations that look at other variables.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source = "hashicorp/google"
      # A job that is run by being made (run_execution_token).
      version = ">= 7.42, < 8"
    }
  }
}
