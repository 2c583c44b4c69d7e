import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { startEdge } from '#infra/local/edge.ts'
import { startUpstash, type Upstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import { edgeBundle } from './edge-bundle.ts'

/** Time as the core sees it: the machine's, moved by hand. */
export type Clock = { (): number; advance(ms: number): void }

const createClock = (): Clock => {
  let offsetMs = 0
  const advance = (ms: number) => {
    offsetMs += ms
  }
  return Object.assign(() => Date.now() + offsetMs, { advance })
}

/** What all cells of a test's deployment have in common. */
export type Deployment = {
  readonly clock: Clock
  readonly logLines: string[]
  readonly masterKeys: string
  readonly edgeKeys: string
  readonly prefix: string
  readonly upstash: Upstash
  readonly edgeUrl: string
  /** Cell -> where its core listens, the control cell first. */
  readonly cores: Readonly<Record<string, string>>
}

/** Stops what was started, the last one first. */
export const createStops = () => {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const one of stops.toReversed()) await one()
  }
  return { stops, stop }
}

const newKeys = () => `k1:${randomBytes(32).toString('base64')}`

const startUpstashOf = async (
  redisUrl: string | undefined | null,
  options: { readonly upstashReplica?: boolean },
): Promise<Upstash> =>
  startUpstash({
    port: 0,
    token: 'test-token',
    readOnlyToken: 'test-read-token',
    store: redisUrl ? createRedisStore(redisUrl) : createMemoryStore(),
    ...(options.upstashReplica ? { replica: createMemoryStore() } : {}),
  })

/** Clock, log, secrets and an Upstash of a deployment that is about to start. */
export const startDeployment = async (
  { redisUrl, upstashReplica = false }: { readonly redisUrl?: string | undefined; readonly upstashReplica?: boolean },
  at: Pick<Deployment, 'edgeUrl' | 'cores'>,
): Promise<Deployment> => ({
  ...at,
  clock: createClock(),
  logLines: [],
  masterKeys: newKeys(),
  edgeKeys: newKeys(),
  prefix: `t${randomUUID().slice(0, 8)}`,
  upstash: await startUpstashOf(redisUrl ?? inject('redisUrl'), { upstashReplica }),
})

/** Wherever an edge on this machine is said to be. */
const everywhere = ['EU', 'AF', 'AS', 'NA', 'SA', 'OC', 'AN']

/** An edge of a deployment, on a port of its own, near one of its cells. */
export const startEdgeOf = async (
  { edgeKeys, upstash, edgeUrl, cores, logLines }: Deployment,
  {
    near,
    port,
    traceShare = 0,
  }: { readonly near: string; readonly port: number; readonly traceShare?: number | undefined },
) => {
  const entries = Object.entries(cores).map(([name, coreUrl]) => [
    name,
    { coreUrl, near: name === near ? everywhere : [] },
  ])
  return startEdge(
    {
      bundleFolder: await edgeBundle(),
      configPath: fileURLToPath(new URL('../wrangler.toml', import.meta.url)),
      port,
      vars: {
        CELLS: JSON.stringify(Object.fromEntries(entries)),
        CONTROL_CELL: Object.keys(cores)[0] ?? '',
        ISSUER: edgeUrl,
        UPSTASH_URL: upstash.url,
        UPSTASH_TOKEN: 'test-token',
        EDGE_KEYS: edgeKeys,
        TRACE_SHARE: String(traceShare),
      },
    },
    (line) => logLines.push(line),
  )
}
