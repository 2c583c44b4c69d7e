output "ids" {
  description = "The resource name of each secret, projects/…/secrets/…, by its name here."
  value       = { for key, secret in google_secret_manager_secret.this : key => secret.id }
  # Whoever is handed a name may read what it stands for, and there is something to read.
  depends_on = [google_secret_manager_secret_iam_member.reader, google_secret_manager_secret_version.this]
}

output "versions" {
  description = "The version to read of each secret, by its name: its number, or latest where a person adds the values."
  value = {
    for key, secret in var.secrets :
    key => secret.version == null ? "latest" : google_secret_manager_secret_version.this[key].version
  }
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
