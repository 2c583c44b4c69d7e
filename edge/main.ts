import { Fault, problemContentType, problemText } from '#contract/problem.ts'
import { routes } from '#contract/routes.ts'
import { createGoogleIdentity } from '#infra/google-identity.ts'
import { createIdTokens, type IdTokens } from '#infra/id-tokens.ts'
import { createLog } from '#infra/log.ts'
import { createUpstash } from '#infra/upstash.ts'
import { createEdge, type Edge } from './app.ts'
import { createMemoryTier } from './cache/memory-tier.ts'
import { createDataCentre, type DataCentre } from './data-centre.ts'
import { type Bindings, type Environment, parseEnvironment } from './environment.ts'
import { createSharedToken } from './shared-token.ts'

/** A tier that is slower than this is skipped: the core is about as near. */
const upstashTimeoutMs = 150
/** Nobody waits for a fill, and the region that takes writes may be far. */
const upstashWriteTimeoutMs = 2_000

const log = createLog({ service: 'edge' }, (line) => console.log(line))

/** Made by the isolate's first request, from bindings that stay the same for its life. */
let edge: Edge | undefined

const compose = (bindings: Bindings): Edge => {
  const environment = parseEnvironment(bindings)
  const store = createUpstash({
    ...environment.upstash,
    timeoutMs: upstashTimeoutMs,
    writeTimeoutMs: upstashWriteTimeoutMs,
  })
  const dataCentre = createDataCentre({ cache: caches.default, issuer: environment.issuer, clock: Date.now })
  return createEdge({
    routes,
    environment,
    store,
    memory: createMemoryTier(),
    dataCentre,
    idTokens: idTokensOf(environment, dataCentre),
    log,
  })
}

const idTokensOf = ({ google, issuer }: Environment, dataCentre: DataCentre): IdTokens | undefined =>
  google &&
  createIdTokens({
    audience: google.identity.audience,
    source: createGoogleIdentity({ ...google, issuer, clock: Date.now }),
    shared: createSharedToken({ ...google, dataCentre, clock: Date.now }),
    clock: Date.now,
    random: Math.random,
    onFailure: (error) => log.error('the edge has no identity to call the cores with', error),
  })

export default {
  fetch: async (request, bindings, ctx) => {
    try {
      edge ??= compose(bindings)
      return await edge.fetch(request, ctx)
    } catch (error) {
      log.error('the Worker could not start', error)
      const body = problemText(new Fault('internal'), crypto.randomUUID())
      return new Response(body, {
        status: 500,
        headers: { 'content-type': problemContentType, 'cache-control': 'no-store' },
      })
    }
  },
} satisfies ExportedHandler<Bindings>
