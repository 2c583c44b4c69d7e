variable "name" {
  description = "What names begin with, such as perigee; the same as of the platform."
  type        = string
  default     = "perigee"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Give name 2 to 21 lower-case letters, digits or hyphens, the first a letter, such as perigee."
  }
}

variable "project_id" {
  description = "An empty Google Cloud project with billing."
  type        = string
}

variable "region" {
  description = "Region of the registry, and of the state where state_location is null, such as europe-west1."
  type        = string
}

variable "state_location" {
  description = "Location of the bucket of the state, such as the dual region EUR4, which outlives a region; null for region."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of bucket and registry."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether bucket and registry refuse to be destroyed."
  type        = bool
  default     = true
}

variable "repository" {
  description = "Repository that deploys, by GitHub's numbers, which nobody can take over with a name: of its owner and its own (`gh api repos/<owner>/<name> --jq '.owner.id, .id'`)."
  type = object({
    owner_id = string
    id       = string
  })

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.repository.owner_id)) && can(regex("^[1-9][0-9]*$", var.repository.id))
    error_message = "Give the numbers of owner and repository, not their names: gh api repos/<owner>/<name> --jq '.owner.id, .id'."
  }
}

variable "deploy_ref" {
  description = "The one ref that is deployed, such as refs/heads/main."
  type        = string
  default     = "refs/heads/main"

  validation {
    condition     = can(regex("^refs/(heads|tags)/[A-Za-z0-9._/-]+$", var.deploy_ref))
    error_message = "Give one whole ref, such as refs/heads/main, without a pattern."
  }
}

variable "grantable_roles" {
  description = "Roles on the project that a deployment may give to service accounts, and no other."
  type        = set(string)
  default = [
    "roles/cloudtrace.agent",
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ]

  validation {
    condition = alltrue([
      for role in var.grantable_roles : !contains(["roles/owner", "roles/editor"], role) && !can(regex("[aA]dmin$", role))
    ])
    error_message = "Leave out roles/owner, roles/editor and roles of admins: who may give them has them."
  }
}
