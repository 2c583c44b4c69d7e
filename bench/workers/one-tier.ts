import type { Route } from '#contract/route.ts'
import { routes } from '#contract/routes.ts'
import { createEdge, type Edge, type EdgeOptions } from '#edge/app.ts'
import { createMemoryTier, type MemoryTier } from '#edge/cache/memory-tier.ts'
import { createDataCentre, type DataCentre } from '#edge/data-centre.ts'
import { type Bindings, type Environment, parseEnvironment } from '#edge/environment.ts'
import { createLog } from '#infra/log.ts'
import { createUpstash, type LastingTexts, type VersionedStore } from '#infra/upstash.ts'

/**
 * Our Worker, composed so that one tier answers every read of a profile. The variable `TIER` says which: `memory` (and anyone
 * may read), `steady-memory`, `data-centre`, `upstash` or `core`. What stands before that tier never holds anything.
 */

/** As in `edge/main.ts`. */
const upstashTimeoutMs = 150
/** Longer than any run: an entry that had to be renewed among the reads would be counted with them. */
const steadyMs = 24 * 3_600_000

const log = createLog({ service: 'edge' }, (line) => console.log(line))

const noMemory: MemoryTier = {
  get: () => undefined,
  put: (_, entry) => entry,
  floorOf: () => 0,
  supersede: () => {},
  bytes: () => 0,
}
const noDataCentre: DataCentre = { read: async () => undefined, write: async () => {} }

/** Asks and fills as ever, each time for a key that nobody has asked for. */
const forgetful = (store: VersionedStore & LastingTexts): VersionedStore & LastingTexts => {
  let asked = 0
  const unheardOf = (key: string) => `${key}#${asked++}`
  return {
    ...store,
    lookUp: (key, tag) => store.lookUp(unheardOf(key), tag),
    fill: (key, tag, entry) => store.fill(unheardOf(key), tag, entry),
  }
}

type Parts = Pick<EdgeOptions, 'store' | 'memory' | 'dataCentre'> & { readonly profile: Route }

const partsOf = (tier: string, environment: Environment): Parts => {
  const store = createUpstash({ ...environment.upstash, timeoutMs: upstashTimeoutMs })
  const dataCentre = createDataCentre({ cache: caches.default, issuer: environment.issuer, clock: Date.now })
  const { getProfile } = routes
  const steady = { staleMs: steadyMs, hardMs: steadyMs }
  const checked: Route = { ...getProfile, delivery: { ...getProfile.delivery, ...steady } }
  const unchecked: Route = { ...getProfile, delivery: { ...getProfile.delivery, ...steady, freshMs: steadyMs } }
  switch (tier) {
    case 'memory':
      return { store, memory: createMemoryTier(), dataCentre, profile: { ...checked, access: 'public' } }
    case 'steady-memory':
      return { store, memory: createMemoryTier(), dataCentre, profile: unchecked }
    case 'data-centre':
      return { store, memory: noMemory, dataCentre, profile: unchecked }
    case 'upstash':
      return { store, memory: noMemory, dataCentre: noDataCentre, profile: checked }
    case 'core':
      return { store: forgetful(store), memory: noMemory, dataCentre: noDataCentre, profile: checked }
    default:
      throw new Error(`TIER names no tier: ${tier}`)
  }
}

/** Made by the isolate's first request. */
let edge: Edge | undefined

const compose = (bindings: Bindings & { readonly TIER: string }): Edge => {
  const environment = parseEnvironment(bindings)
  const { profile, ...parts } = partsOf(bindings.TIER, environment)
  return createEdge({ routes: { ...routes, getProfile: profile }, environment, ...parts, log })
}

export default {
  fetch: (request, bindings, ctx) => {
    edge ??= compose(bindings)
    return edge.fetch(request, ctx)
  },
} satisfies ExportedHandler<Bindings & { readonly TIER: string }>
