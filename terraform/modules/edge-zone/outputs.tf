output "api_host" {
  description = "Host that clients call, for wrangler's custom domain."
  value       = var.api_host
}

output "core_urls" {
  description = "Addresses of the cores' hosts, host to URL, once their records are there."
  value       = { for host, record in cloudflare_dns_record.core : host => "https://${record.name}" }
}

output "deploy_token" {
  description = "Token that deploys the Worker, CLOUDFLARE_API_TOKEN of the pipeline; null where none was asked for."
  value       = one([for token in cloudflare_account_token.deploy : token.value])
  sensitive   = true
}
