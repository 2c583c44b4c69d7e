import { type Context, Hono } from 'hono'
import { Fault, type InputError, inputErrorsOf } from '#contract/problem.ts'
import { bySpecificity, type DocumentName, fill, type Route } from '#contract/route.ts'
import type { RouteTable } from '#contract/routes.ts'
import type { Log } from '#infra/log.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { createAnswerCached } from './cache/answer.ts'
import { createCache } from './cache/cache.ts'
import { coreMaxMs, createCoreTier } from './cache/core-tier.ts'
import type { DataCentreTier } from './cache/data-centre-tier.ts'
import { createFlights } from './cache/flights.ts'
import { createGlobalTier } from './cache/global-tier.ts'
import type { MemoryTier } from './cache/memory-tier.ts'
import { type Callers, createCallers } from './caller.ts'
import { createCells } from './cells.ts'
import { createConsistency } from './consistency.ts'
import { createAskCore } from './core.ts'
import { answerPreflight, isPreflight, setCors } from './cors.ts'
import { createDocuments, type Documents } from './document.ts'
import type { Environment } from './environment.ts'
import { checkHeaders, createExchange, type Exchange, type Routed } from './exchange.ts'
import { createForward } from './forward.ts'
import { createHmac } from './hmac.ts'
import { createLimits } from './limit.ts'
import { problemResponse } from './problem.ts'
import { createVerifySession } from './session.ts'

export type EdgeOptions = {
  readonly routes: RouteTable
  readonly environment: Environment
  readonly store: VersionedStore
  readonly memory: MemoryTier
  readonly dataCentre: DataCentreTier
  readonly log: Log
}

type Answer = (exchange: Exchange) => Promise<Response>

/**
 * The interpreter of deliveries: binds every route of the table to what its delivery says, so that a feature needs no
 * handler here. A known path with another method is 405, whatever else matches it.
 */
export const createEdge = (options: EdgeOptions): Hono => {
  const { routes, environment, log } = options
  const limits = createLimits(environment.limits)
  const hmac = createHmac(environment.edgeKeys)
  const cells = createCells(environment.cells, environment.controlCell)
  const askCore = createAskCore({ cells, hmac })
  const documents = createDocuments({ askCore, cells })
  const callers = createCallers({
    documents,
    verifySession: createVerifySession({ documents, issuer: environment.issuer }),
  })
  const consistency = createConsistency(hmac)
  const forward = createForward({ cells, askCore, consistency })
  const answerCached = createAnswerCached({
    cache: composeCache(options),
    readCore: createCoreTier({ askCore, cells }),
    consistency,
  })

  const deliver = (exchange: Routed): Promise<Response> => {
    const { delivery } = exchange.route
    switch (delivery.kind) {
      case 'cached':
        return answerCached(exchange, delivery)
      case 'direct':
      case 'forwarded':
        return forward(exchange)
      case 'local':
        return 'asset' in delivery
          ? readAsset(environment.assets, exchange, delivery.asset)
          : readDocument(documents, exchange, delivery.document)
    }
  }

  const answerRoute = async (
    exchange: Exchange,
    route: Route,
    rawParams: Record<string, string>,
  ): Promise<Response> => {
    exchange.principal = await callers.identify(exchange, route.access).catch(async (error: unknown) => {
      await limits.address(exchange)
      throw error
    })
    await limits.caller(exchange)
    if (route.access !== 'public' && !(await callers.allowsOrigin(exchange))) throw new Fault('origin_not_allowed')
    const params = parsePart(route.params, rawParams, 'path')
    const query = parsePart(route.query, Object.fromEntries(exchange.url.searchParams), 'query')
    // The same object: what is found out from here on is seen by whoever writes the log.
    const response = await deliver(Object.assign(exchange, { route, params, query }))
    if (response.status !== 401) limits.proven(exchange)
    return response
  }

  const serve = async (c: Context, name: string, answer: Answer): Promise<Response> => {
    const exchange = createExchange(c.req.raw, (work) => c.executionCtx.waitUntil(work))
    const checked = async () => {
      checkHeaders(exchange.request.headers)
      return answer(exchange)
    }
    const answered = await checked().catch((error: unknown) => {
      const { requestId } = exchange
      if (!(error instanceof Fault) || error.status >= 500)
        log.error('a request failed', error, { requestId, route: name })
      return problemResponse(error, exchange)
    })
    const response = new Response(answered.body, answered)
    response.headers.set('x-request-id', exchange.requestId)
    if (exchange.cacheStatus) response.headers.set('cache-status', exchange.cacheStatus)
    if (exchange.serverTiming) response.headers.set('server-timing', exchange.serverTiming)
    // RFC 9110 section 11.6.1: a 401 says how to do better.
    if (response.status === 401) response.headers.set('www-authenticate', 'Bearer realm="perigee"')
    setCors(response.headers, exchange)
    logRequest(log, exchange, { route: name, status: response.status })
    return response
  }

  const app = new Hono()
  for (const [path, group] of Map.groupBy(Object.values(routes).sort(bySpecificity), (route) => route.path)) {
    const pattern = path.replace(/\{(\w+)\}/g, ':$1')
    const methods = group.map((route) => route.method)
    for (const route of group) {
      app.on(route.method, pattern, (c) => serve(c, path, (exchange) => answerRoute(exchange, route, c.req.param())))
    }
    app.all(pattern, (c) => serve(c, path, (exchange) => answerOther(callers, exchange, methods)))
  }
  app.notFound((c) => serve(c, 'none', async () => Promise.reject(new Fault('not_found'))))
  return app
}

/** Who joins another's question waits as long as that one may take in all: no tier takes longer than the core. */
const waiting = { maxMs: 2 * coreMaxMs, onLate: () => new Fault('deadline_exceeded') }

const composeCache = ({ memory, dataCentre, store, environment }: EdgeOptions) =>
  createCache({
    memory,
    dataCentre,
    global: createGlobalTier({ store, keysMax: environment.upstash.keysMax, clock: Date.now }),
    questions: createFlights(waiting),
    loads: createFlights(waiting),
    clock: Date.now,
    random: Math.random,
  })

/** A path of ours with a method that it does not take. */
const answerOther = async (callers: Callers, exchange: Exchange, methods: readonly string[]): Promise<Response> => {
  if (isPreflight(exchange)) return answerPreflight(callers, exchange, methods)
  const response = problemResponse(new Fault('method_not_allowed'), exchange)
  response.headers.set('allow', methods.join(', '))
  return response
}

const readDocument = async (documents: Documents, exchange: Exchange, name: DocumentName): Promise<Response> => {
  const { text } = await documents.get(name, exchange)
  return new Response(text, { headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=10' } })
}

/** A file that was deployed with the Worker. @throws Fault `not_found` */
const readAsset = async (assets: Fetcher, exchange: Routed, template: string): Promise<Response> => {
  const response = await assets.fetch(new Request(new URL(fill(template, exchange.params), exchange.url)))
  if (!response.ok) throw new Fault('not_found')
  const file = new Response(response.body, response)
  file.headers.set('cache-control', 'public, max-age=300')
  return file
}

const parsePart = (
  schema: Route['params'],
  value: Record<string, string>,
  place: InputError['in'],
): Record<string, unknown> => {
  const result = schema?.safeParse(value)
  if (result && !result.success) throw new Fault('invalid_request', { errors: inputErrorsOf(result.error, place) })
  return result?.data ?? {}
}

/** The one line that a request leaves: who, what, how it went; never a token, a key or a body. */
const logRequest = (log: Log, exchange: Exchange, { route, status }: { route: string; status: number }) =>
  log.info('request', {
    requestId: exchange.requestId,
    trace: exchange.traceparent.split('-')[1],
    method: exchange.request.method,
    route,
    cell: exchange.cell,
    principal: exchange.principal.kind,
    status,
    cache: exchange.cacheStatus,
    tiers: exchange.serverTiming,
    durationMs: Date.now() - exchange.arrivedAt,
  })
