import type { EdgePrincipal } from '#contract/edge-request.ts'
import { Fault } from '#contract/problem.ts'
import type { Access } from '#contract/route.ts'
import type { RouteTable } from '#contract/routes.ts'
import type { IdTokens } from '#infra/id-tokens.ts'
import type { Log } from '#infra/log.ts'
import type { LastingTexts, VersionedStore } from '#infra/upstash.ts'
import type { Answer } from './answer.ts'
import { composeCached } from './cache/compose.ts'
import type { MemoryTier } from './cache/memory-tier.ts'
import { type Callers, createCallers } from './caller.ts'
import { createCells } from './cells.ts'
import { createConsistency } from './consistency.ts'
import { createContent } from './content.ts'
import { createContentBodies } from './content-body.ts'
import { createAskCore } from './core.ts'
import { answerPreflight, isPreflight, setCors } from './cors.ts'
import type { DataCentre } from './data-centre.ts'
import { createDocuments } from './document.ts'
import type { Environment } from './environment.ts'
import { checkHeaders, createExchange, type Exchange, type Routed } from './exchange.ts'
import { createForward } from './forward.ts'
import { createHmac } from './hmac.ts'
import { createLastGood } from './last-good.ts'
import { createLimits } from './limit.ts'
import { createAnswerLocal } from './local.ts'
import { ofrepFaultAnswer } from './ofrep-fault.ts'
import { problemAnswer } from './problem.ts'
import { createRequestLog } from './request-log.ts'
import { createRequireUnrevoked } from './revocation.ts'
import { createSampling } from './sampling.ts'
import { createVerifySession } from './session.ts'
import { type Asked, type AskedRoute, createTable } from './table.ts'
import { createTally } from './tally.ts'

export type EdgeOptions = {
  readonly routes: RouteTable
  readonly environment: Environment
  readonly store: VersionedStore & LastingTexts
  readonly memory: MemoryTier
  readonly dataCentre: DataCentre
  /** By which the edge is let in to the cores; absent where nothing stands before them. */
  readonly idTokens?: IdTokens | undefined
  readonly log: Log
}

/** The Worker's own part of a request. */
export type Edge = { fetch(request: Request, ctx: Pick<ExecutionContext, 'waitUntil'>): Promise<Response> }

/**
 * The interpreter of deliveries: binds every route of the table to what its delivery says, so that a feature needs no
 * handler here. A known path with another method is 405.
 */
export const createEdge = (options: EdgeOptions): Edge => {
  const { routes, environment, log } = options
  const find = createTable(routes)
  const logRequest = createRequestLog(log, Date.now)
  const sample = createSampling({ share: environment.traceShare, clock: Date.now, random: Math.random })
  const limits = createLimits(environment.limits, createTally(log, 'perigee.edge.limited', Date.now))
  const hmac = createHmac(environment.edgeKeys)
  const cells = createCells(environment.cells, environment.controlCell)
  const askCore = createAskCore({ cells, hmac, idTokens: options.idTokens, log })
  const { dataCentre } = options
  const lastGood = createLastGood({ texts: options.store, dataCentre, clock: Date.now })
  const documents = createDocuments({ askCore, cells, dataCentre, lastGood })
  const bodies = createContentBodies({ askCore, cells, dataCentre, lastGood, clock: Date.now })
  const content = createContent({
    readPointers: (exchange) => documents.get('content', exchange),
    readBody: bodies.get,
    log,
    clock: Date.now,
  })
  const callers = createCallers({
    documents,
    verifySession: createVerifySession({ documents, cells, issuer: environment.issuer }),
    requireUnrevoked: createRequireUnrevoked(documents, Date.now),
  })
  const consistency = createConsistency(hmac)
  const forward = createForward({ cells, askCore, consistency, log })
  const answerCached = composeCached({ ...options, keysMax: environment.upstash.keysMax, askCore, cells, consistency })
  const answerLocal = createAnswerLocal({ documents, cells, content, assets: environment.assets })

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

  const answerRoute = async (exchange: Exchange, { route, readInput }: AskedRoute): Promise<Answer> => {
    exchange.principal = await identify(exchange, route.access)
    await limits.caller(exchange)
    if (route.access !== 'public' && !(await callers.allowsOrigin(exchange))) throw new Fault('origin_not_allowed')
    // The same object: what is found out from here on is seen by whoever writes the log.
    const answer = await deliver(Object.assign(exchange, { route }, readInput()))
    if (answer.status !== 401) limits.proven(exchange)
    return answer
  }

  const identify = async (exchange: Exchange, access: Access): Promise<EdgePrincipal> => {
    try {
      return await callers.identify(exchange, access)
    } catch (error) {
      await limits.address(exchange)
      throw error
    }
  }

  const answerOrProblem = async (exchange: Exchange, asked: Asked): Promise<Answer> => {
    try {
      checkHeaders(exchange)
      return await (asked.kind === 'route' ? answerRoute(exchange, asked) : answerOther(callers, exchange, asked))
    } catch (error) {
      const { requestId } = exchange
      exchange.refused = isRefusal(error)
      if (!exchange.refused && (!(error instanceof Fault) || error.status >= 500))
        log.error('a request failed', error, { requestId, route: nameOf(asked) })
      return faultAnswer(error, exchange, asked)
    }
  }

  return {
    fetch: async (request, ctx) => {
      const asked = find(request)
      const exchange = createExchange(request, (work) => ctx.waitUntil(work), sample)
      const answer = await answerOrProblem(exchange, asked)
      const { status, headers, body } = answer
      headers['x-request-id'] = exchange.requestId
      if (exchange.cacheStatus) headers['cache-status'] = exchange.cacheStatus
      if (exchange.serverTiming) headers['server-timing'] = exchange.serverTiming
      // RFC 9110 section 11.6.1: a 401 says how to do better.
      if (status === 401) headers['www-authenticate'] = 'Bearer realm="perigee"'
      setCors(answer, exchange)
      logRequest(exchange, { route: nameOf(asked), status })
      return new Response(exchange.method === 'HEAD' ? null : body, { status, headers })
    },
  }
}

/** Whether a request was turned away for how many there are. Whoever refuses counts it, and it has to be cheap. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Fault && (error.code === 'overloaded' || error.code === 'too_many_requests')

/** What a request asked for, as the log calls it. */
const nameOf = (asked: Asked): string => {
  switch (asked.kind) {
    case 'route':
      return asked.route.path
    case 'path':
      return asked.path
    case 'nothing':
      return 'none'
  }
}

/** Any failure, in the form in which its route says no. */
const faultAnswer = (error: unknown, exchange: Exchange, asked: Asked): Answer =>
  asked.kind === 'route' && asked.route.errorFormat === 'ofrep'
    ? ofrepFaultAnswer(error, exchange, asked)
    : problemAnswer(error, exchange)

/** What no route takes: another path, or a path of ours with another method. @throws Fault `not_found` */
const answerOther = async (callers: Callers, exchange: Exchange, asked: Asked): Promise<Answer> => {
  if (asked.kind !== 'path') throw new Fault('not_found')
  if (isPreflight(exchange)) return answerPreflight(callers, exchange, asked.methods)
  const { headers, ...problem } = problemAnswer(new Fault('method_not_allowed'), exchange)
  return { ...problem, headers: { ...headers, allow: asked.methods.join(', ') } }
}
