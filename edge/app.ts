import { type Context, Hono } from 'hono'
import { Fault, type InputError, inputErrorsOf } from '#contract/problem.ts'
import { bySpecificity, type Route } from '#contract/route.ts'
import type { RouteTable } from '#contract/routes.ts'
import type { Log } from '#infra/log.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import type { Answer } from './answer.ts'
import { composeCached } from './cache/compose.ts'
import type { DataCentreTier } from './cache/data-centre-tier.ts'
import type { MemoryTier } from './cache/memory-tier.ts'
import { type Callers, createCallers } from './caller.ts'
import { createCells } from './cells.ts'
import { createConsistency } from './consistency.ts'
import { createAskCore } from './core.ts'
import { answerPreflight, isPreflight, setCors } from './cors.ts'
import { createDocuments } from './document.ts'
import type { Environment } from './environment.ts'
import { checkHeaders, createExchange, type Exchange, type Routed } from './exchange.ts'
import { createForward } from './forward.ts'
import { createHmac } from './hmac.ts'
import { createLimits } from './limit.ts'
import { createAnswerLocal } from './local.ts'
import { problemAnswer } from './problem.ts'
import { createRequestLog } from './request-log.ts'
import { createVerifySession } from './session.ts'

export type EdgeOptions = {
  readonly routes: RouteTable
  readonly environment: Environment
  readonly store: VersionedStore
  readonly memory: MemoryTier
  readonly dataCentre: DataCentreTier
  readonly log: Log
}

type Answerer = (exchange: Exchange) => Promise<Answer>

/**
 * The interpreter of deliveries: binds every route of the table to what its delivery says, so that a feature needs no
 * handler here. A known path with another method is 405.
 */
export const createEdge = (options: EdgeOptions): Hono => {
  const { routes, environment, log } = options
  const logRequest = createRequestLog(log, Date.now)
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
  const answerCached = composeCached({ ...options, keysMax: environment.upstash.keysMax, askCore, cells, consistency })
  const answerLocal = createAnswerLocal({ documents, assets: environment.assets })

  const deliver = (exchange: Routed): Promise<Answer> => {
    const { delivery } = exchange.route
    switch (delivery.kind) {
      case 'cached':
        return answerCached(exchange, delivery)
      case 'direct':
      case 'forwarded':
        return forward(exchange)
      case 'local':
        return answerLocal(exchange, delivery)
    }
  }

  const answerRoute = async (exchange: Exchange, route: Route, rawParams: Record<string, string>): Promise<Answer> => {
    exchange.principal = await callers.identify(exchange, route.access).catch(async (error: unknown) => {
      await limits.address(exchange)
      throw error
    })
    await limits.caller(exchange)
    if (route.access !== 'public' && !(await callers.allowsOrigin(exchange))) throw new Fault('origin_not_allowed')
    const params = route.params ? parsePart(route.params, rawParams, 'path') : {}
    const query = route.query ? parsePart(route.query, queryOf(exchange), 'query') : {}
    // The same object: what is found out from here on is seen by whoever writes the log.
    const answer = await deliver(Object.assign(exchange, { route, params, query }))
    if (answer.status !== 401) limits.proven(exchange)
    return answer
  }

  const answerOrProblem = async (exchange: Exchange, name: string, answerer: Answerer): Promise<Answer> => {
    try {
      checkHeaders(exchange)
      return await answerer(exchange)
    } catch (error) {
      const { requestId } = exchange
      if (!(error instanceof Fault) || error.status >= 500)
        log.error('a request failed', error, { requestId, route: name })
      return problemAnswer(error, exchange)
    }
  }

  const serve = async (c: Context, name: string, answerer: Answerer): Promise<Response> => {
    const exchange = createExchange(c.req.raw, (work) => c.executionCtx.waitUntil(work))
    const answer = await answerOrProblem(exchange, name, answerer)
    const { status, headers, body } = answer
    headers['x-request-id'] = exchange.requestId
    if (exchange.cacheStatus) headers['cache-status'] = exchange.cacheStatus
    if (exchange.serverTiming) headers['server-timing'] = exchange.serverTiming
    // RFC 9110 section 11.6.1: a 401 says how to do better.
    if (status === 401) headers['www-authenticate'] = 'Bearer realm="perigee"'
    setCors(answer, exchange)
    logRequest(exchange, { route: name, status })
    return new Response(body, { status, headers })
  }

  const app = new Hono()
  const table = Object.values<Route>(routes).sort(bySpecificity)
  for (const route of table) {
    const pattern = route.path.replace(/\{(\w+)\}/g, ':$1')
    app.on(route.method, pattern, (c) =>
      serve(c, route.path, (exchange) => answerRoute(exchange, route, c.req.param())),
    )
  }
  const methodsOf = createMethodsOf(table)
  app.notFound((c) => {
    const known = methodsOf(c.req.path)
    return serve(c, known?.path ?? 'none', (exchange) => answerOther(callers, exchange, known?.methods))
  })
  return app
}

/** Which methods a path takes, whatever it was asked with; undefined for a path that none of the routes has. */
const createMethodsOf = (table: readonly Route[]) => {
  const paths = [...Map.groupBy(table, (route) => route.path)].map(([path, group]) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
    methods: group.map((route) => route.method),
  }))
  return (path: string) => paths.find(({ pattern }) => pattern.test(path))
}

/** What no route takes: another path, or a path of ours with another method. @throws Fault `not_found` */
const answerOther = async (
  callers: Callers,
  exchange: Exchange,
  methods: readonly string[] | undefined,
): Promise<Answer> => {
  if (!methods) throw new Fault('not_found')
  if (isPreflight(exchange)) return answerPreflight(callers, exchange, methods)
  const { headers, ...problem } = problemAnswer(new Fault('method_not_allowed'), exchange)
  return { ...problem, headers: { ...headers, allow: methods.join(', ') } }
}

const queryOf = ({ search }: Exchange): Record<string, string> => Object.fromEntries(new URLSearchParams(search))

const parsePart = (
  schema: NonNullable<Route['params']>,
  value: Record<string, string>,
  place: InputError['in'],
): Record<string, unknown> => {
  const result = schema.safeParse(value)
  if (!result.success) throw new Fault('invalid_request', { errors: inputErrorsOf(result.error, place) })
  return result.data
}
