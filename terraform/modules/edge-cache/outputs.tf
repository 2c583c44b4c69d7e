output "url" {
  description = "Address of the REST API: UPSTASH_URL of the edge and of every core."
  value       = "https://${upstash_redis_database.cache.endpoint}"
}

output "token" {
  description = "Token that reads and writes: UPSTASH_TOKEN of the edge, which fills, and of every core, which tells versions."
  value       = upstash_redis_database.cache.rest_token
  sensitive   = true
}

output "read_only_token" {
  description = "Token that reads, for people and dashboards that look at the cache. No part of Perigee uses it."
  value       = upstash_redis_database.cache.read_only_rest_token
  sensitive   = true
}

output "keys_max" {
  description = "Keys that the database is sized for: UPSTASH_KEYS_MAX of the edge."
  value       = floor(var.size_gb * local.keys_a_gb)
}
