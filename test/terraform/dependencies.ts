import type { Terraform } from './terraform.ts'

/** What has to be there before what is made or changed: no plan and no assertion sees an order. */
const orders = [
  {
    why: 'an instance without the private connection has nowhere to be',
    of: /google_sql_database_instance\.\w+$/,
    waitsFor: /google_service_networking_connection\.\w+$/,
  },
  {
    why: 'a cache has no address before the network lets the service make one',
    of: /google_memorystore_instance\.\w+$/,
    waitsFor: /google_network_connectivity_service_connection_policy\.\w+$/,
  },
  {
    why: 'traffic moves to a release whose migrations ran',
    of: /google_cloud_run_v2_service\.\w+$/,
    waitsFor: /google_cloud_run_v2_job\.\w+$/,
  },
  {
    why: 'a service that may not read its secrets does not start',
    of: /google_cloud_run_v2_service\.\w+$/,
    waitsFor: /cell_secrets\.google_secret_manager_secret_iam_member\.\w+$/,
  },
  {
    why: 'a service that may not read what all cells share does not start',
    of: /google_cloud_run_v2_service\.\w+$/,
    waitsFor: /shared_secrets\.google_secret_manager_secret_iam_member\.\w+$/,
  },
  {
    why: 'a secret without a version cannot be read',
    of: /google_cloud_run_v2_service\.\w+$/,
    waitsFor: /cell_secrets\.google_secret_manager_secret_version\.\w+$/,
  },
  {
    why: 'nor can one that all cells share',
    of: /google_cloud_run_v2_service\.\w+$/,
    waitsFor: /shared_secrets\.google_secret_manager_secret_version\.\w+$/,
  },
  {
    why: 'events that are written to a table need the table',
    of: /google_pubsub_subscription\.analytics$/,
    waitsFor: /google_bigquery_table\.\w+$/,
  },
]

/** Looks at the graph of the platform for the orders above. What is missing; undefined where nothing is. */
export const checkDependencies = async (terraform: Terraform): Promise<string | undefined> => {
  const { ok, output } = await terraform.run('platform', ['graph'])
  if (!ok) return output
  const { nodes, next } = parseGraph(output)
  const missing = orders.flatMap(({ why, of, waitsFor }) => {
    const concerned = nodes.filter((node) => of.test(node))
    if (concerned.length === 0) return [`nothing is called ${of}`]
    return concerned
      .filter((node) => !reaches(node, waitsFor, next))
      .map((node) => `${node} waits for no ${waitsFor}: ${why}`)
  })
  return missing.length === 0 ? undefined : missing.join('\n')
}

type Graph = { readonly nodes: readonly string[]; readonly next: ReadonlyMap<string, readonly string[]> }

/** Of Graphviz's language, what `terraform graph` writes: a node or an edge a line. */
const parseGraph = (text: string): Graph => {
  const next = new Map<string, string[]>()
  for (const [, from = '', to] of text.matchAll(/^\s*"([^"]+)"(?: -> "([^"]+)"| \[)/gm)) {
    const followers = next.get(from) ?? []
    if (to !== undefined) followers.push(to)
    next.set(from, followers)
  }
  return { nodes: [...next.keys()], next }
}

const reaches = (start: string, wanted: RegExp, next: Graph['next']): boolean => {
  const seen = new Set([start])
  for (const node of seen) {
    for (const follower of next.get(node) ?? []) {
      if (wanted.test(follower)) return true
      seen.add(follower)
    }
  }
  return false
}
