import { createHash } from 'node:crypto'
import { dirname, join, relative } from 'node:path'
import { experimental_readRawConfig, type Unstable_RawConfig } from 'wrangler'
import type { EdgeOutput } from './outputs.ts'

/** A configuration of wrangler, as it is written to a file. */
export type WranglerConfig = Unstable_RawConfig

/** Of `wrangler.toml`, which says all that is the same in every deployment. */
const sharedFile = 'wrangler.toml'

/**
 * What wrangler gets for one deployment: `wrangler.toml`, with the Worker's name and account, its variables over those that
 * stand there, and the host that clients call as its custom domain, whose record and certificate wrangler makes.
 * @param project the folder that holds `wrangler.toml`
 * @param file where the configuration will be written: paths in it are relative to that
 */
export const wranglerConfigOf = (
  edge: Pick<EdgeOutput, 'name' | 'host' | 'account_id' | 'vars'>,
  { project, file }: { readonly project: string; readonly file: string },
): WranglerConfig => {
  const { rawConfig: shared } = experimental_readRawConfig({ config: join(project, sharedFile) })
  const { main, assets } = shared
  if (!main || !assets?.directory) throw new Error(`${sharedFile} names no main or no assets`)
  const fromFile = (path: string) => relative(dirname(file), join(project, path))
  return {
    ...shared,
    name: edge.name,
    account_id: edge.account_id,
    main: fromFile(main),
    assets: { ...assets, directory: fromFile(assets.directory) },
    vars: { ...shared.vars, ...edge.vars },
    routes: [{ pattern: edge.host, custom_domain: true }],
    // An address beside the custom domain would lie outside of the zone, with none of its rules.
    workers_dev: false,
    preview_urls: false,
    ratelimits: (shared.ratelimits ?? []).map((limit: { readonly namespace_id: string }) => ({
      ...limit,
      namespace_id: namespaceOf(edge.name, limit.namespace_id),
    })),
  }
}

/** Below this, ids are those of `wrangler.toml`; and with it every id is below 2^31. */
const idsADeployment = 10_000
const deployments = 131_072

/** Counters are an account's: without a number of its own, a deployment would count the requests of another. */
const namespaceOf = (name: string, id: string): string => {
  const deployment = createHash('sha256').update(name).digest().readUInt32BE() % deployments
  return String(deployment * idsADeployment + Number(id))
}
