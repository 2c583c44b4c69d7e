/** What somebody could do to these files by mistake; a validation or a test has to say so. */
export type Fault = {
  readonly name: string
  /** Below terraform/. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** The folder whose checks fail for it. */
  readonly caughtBy: string
  /** In what is said of it: so that it is not something else that failed. */
  readonly said: RegExp
}

export const faults: readonly Fault[] = [
  {
    name: 'accounts are counted over a list',
    file: 'modules/messaging/access.tf',
    find: `  for_each = merge([
    for topic in keys(local.topics) : {
      for cell, email in var.publishers : "\${topic}/\${cell}" => { topic = topic, email = email }
    }
  ]...)

  project = var.project_id
  topic   = google_pubsub_topic.this[each.value.topic].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:\${each.value.email}"`,
    replace: `  count = length(var.publishers)

  project = var.project_id
  topic   = google_pubsub_topic.this["events"].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:\${values(var.publishers)[count.index]}"`,
    caughtBy: 'platform',
    said: /one_more_region: .*google_pubsub_topic_iam_member\.publisher/,
  },
  {
    name: 'secrets that another region would make anew',
    file: 'platform/secrets.tf',
    find: 'would make these secrets anew, and empty.\n  regions = []\n',
    replace:
      'would make these secrets anew, and empty.\n  regions = [for region in values(var.regions) : region.region]\n',
    caughtBy: 'platform',
    said: /one_more_region: update module\.shared_secrets/,
  },
  {
    name: 'everybody may call a core',
    file: 'modules/core-service/main.tf',
    find: '  member   = each.value.member',
    replace: '  member   = "allUsers"',
    caughtBy: 'modules/core-service',
    said: /invoker/,
  },
  {
    name: 'a database without its edition',
    file: 'modules/database/main.tf',
    find: '    edition                     = var.edition\n',
    replace: '',
    caughtBy: 'modules/database',
    said: /edition/,
  },
  {
    name: 'a cache without tls',
    file: 'modules/edge-cache/main.tf',
    find: '  tls = true\n',
    replace: '',
    caughtBy: 'modules/edge-cache',
    said: /tls/i,
  },
  {
    name: 'high availability without point-in-time restore',
    file: 'modules/database/main.tf',
    find: '      point_in_time_recovery_enabled = var.point_in_time_restore\n',
    replace: '      point_in_time_recovery_enabled = false\n',
    caughtBy: 'modules/database',
    said: /point.in.time/i,
  },
  {
    name: 'dead letters that Pub/Sub may not publish',
    file: 'modules/messaging/access.tf',
    find: `  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.publisher"`,
    replace: `  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.viewer"`,
    caughtBy: 'modules/messaging',
    said: /dead/i,
  },
  {
    name: 'dead letters that Pub/Sub may not take from their subscription',
    file: 'modules/messaging/access.tf',
    find: '    { for name in keys(local.dead_lettered) : name => google_pubsub_subscription.this[name].name },\n',
    replace: '',
    caughtBy: 'modules/messaging',
    said: /subscri/i,
  },
  {
    name: 'dead letters that nobody has a subscription for',
    file: 'modules/messaging/main.tf',
    find: `  name                       = "\${local.topics["dead-letters"]}-inspect"
  topic                      = google_pubsub_topic.this["dead-letters"].id`,
    replace: `  name                       = "\${local.topics["dead-letters"]}-inspect"
  topic                      = google_pubsub_topic.this["events"].id`,
    caughtBy: 'modules/messaging',
    said: /dead/i,
  },
  {
    name: 'a subscription that expires',
    file: 'modules/messaging/main.tf',
    find: `  # Without this a subscription that nobody took from for a month is deleted, and with it what waits there.
  expiration_policy {
    ttl = ""
  }
`,
    replace: '',
    caughtBy: 'modules/messaging',
    said: /expir/i,
  },
  {
    name: 'a database that does not wait for the private connection',
    file: 'modules/network/outputs.tf',
    find: '  depends_on = [google_service_networking_connection.this]\n',
    replace: '',
    caughtBy: 'platform',
    said: /waits for no .*google_service_networking_connection/,
  },
  {
    name: 'a secret among the variables of a service',
    file: 'platform/services.tf',
    find: '      PUSH_VERIFIED_BY     = "platform"\n',
    replace: '      PUSH_VERIFIED_BY     = "platform"\n      UPSTASH_TOKEN        = "plain"\n',
    caughtBy: 'platform',
    said: /give UPSTASH_TOKEN in `secrets`/,
  },
  {
    name: 'an identity that any repository may take',
    file: 'bootstrap/ci.tf',
    find: `attribute_condition = "\${local.of_repository} && (`,
    replace: 'attribute_condition = "(',
    caughtBy: 'bootstrap',
    said: /repository/i,
  },
  {
    name: 'a record of the host that wrangler owns',
    file: 'modules/edge-zone/main.tf',
    find: '  for_each = var.core_hosts\n',
    replace: '  for_each = merge(var.core_hosts, { (var.api_host) = "192.0.2.1" })\n',
    caughtBy: 'modules/edge-zone',
    said: /api_host|record/i,
  },
  {
    name: 'an image by its tag',
    file: 'platform/tests/changes.tftest.hcl',
    find: 'perigee/core@sha256:2222222222222222222222222222222222222222222222222222222222222222',
    replace: 'perigee/core:latest',
    caughtBy: 'platform',
    said: /image is to be named by its digest/,
  },
  {
    name: 'pools above what Postgres takes',
    file: 'platform/variables.tf',
    find: 'pool            = optional(number, 10)',
    replace: 'pool            = optional(number, 16)',
    caughtBy: 'platform',
    said: /The pools do not fit Postgres/,
  },
  {
    name: 'no readiness probe',
    file: 'modules/core-service/main.tf',
    find: `      readiness_probe {
        period_seconds    = 3
        timeout_seconds   = 2
        failure_threshold = 3
        success_threshold = 1
        http_get {
          path = var.contract.paths.ready
          port = 8080
        }
      }
`,
    replace: '',
    caughtBy: 'modules/core-service',
    said: /readiness/,
  },
]
