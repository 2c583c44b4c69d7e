import { type DataCentre, startDataCentre } from '#infra/local/data-centre.ts'
import { edgeBundle } from './edge-bundle.ts'
import { cell, type World } from './harness.ts'

export type IsolatesOptions = {
  readonly isolates: number
  /** Where the cell's core is, if not where the world has it. */
  readonly coreUrl?: string
  /** Where Upstash is, if not where the world has it. */
  readonly upstashUrl?: string
  /** False: their Cache API never holds anything. */
  readonly cache?: boolean
  /** Variables and secrets beside those that every edge has. */
  readonly vars?: Readonly<Record<string, string>>
  /** Takes what the Workers log; absent: nobody does. */
  readonly print?: (line: string) => void
  /** Where workerd's inspector listens, `host:port`; absent: nowhere. */
  readonly inspector?: string
}

/** A load's few callers ask more than a person does. */
const callerLimit = 10_000_000

/** A data centre of a world's deployment: several isolates of the Worker over one Cache API, apart from the world's edge. */
export const startIsolates = async (world: World, options: IsolatesOptions): Promise<DataCentre> =>
  startDataCentre(
    {
      bundleFolder: await edgeBundle(),
      isolates: options.isolates,
      callerLimit,
      cache: options.cache ?? true,
      ...(options.inspector === undefined ? {} : { inspector: options.inspector }),
      vars: {
        CELLS: JSON.stringify({ [cell]: { coreUrl: options.coreUrl ?? world.coreUrl, near: [] } }),
        CONTROL_CELL: cell,
        ISSUER: world.edgeUrl,
        UPSTASH_URL: options.upstashUrl ?? world.upstash.url,
        UPSTASH_TOKEN: 'test-token',
        EDGE_KEYS: world.secrets.edgeKeys,
        ...options.vars,
      },
    },
    options.print ?? 'ignore',
  )
