import { randomBytes, randomUUID } from 'node:crypto'
import { Hono, type Context as HonoContext } from 'hono'
import {
  bodyBytesMax,
  edgeHeaders,
  type NamedKey,
  parseFloor,
  parsePlace,
  targetOfWire,
} from '#contract/edge-request.ts'
import { idempotencyKeyOf } from '#contract/idempotency.ts'
import type { Cell } from '#contract/ids.ts'
import { type LoadClass, loadClassOf } from '#contract/load-class.ts'
import { Fault, problemContentType, problemText, retryAfterOf } from '#contract/problem.ts'
import { bySpecificity } from '#contract/route.ts'
import type { Database } from '#db/client.ts'
import type { Log } from '#infra/log.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import type { Admission } from './admission.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { verifyEdgeSignature } from './edge-signature.ts'
import { faultOf } from './fault.ts'
import { Absent, type Handler, type Reply } from './handler.ts'
import { type InternalRoute, internalBytesMax } from './internal.ts'
import { paths } from './paths.ts'
import { type PrincipalReader, principalName, requireLiveSession, requireRights } from './principal.ts'
import type { PushReceiver } from './push.ts'
import type { Replica } from './replica.ts'
import { deadlineOf, fingerprintOf, ifMatchOf, parseInput, type RawRequest } from './request.ts'
import { createWatchRequests, type WatchedRequest, type WatchRequests } from './watch-requests.ts'
import type { Write } from './write.ts'

export type AppOptions = {
  readonly handlers: readonly Handler[]
  readonly internal: readonly InternalRoute[]
  readonly cell: Cell
  readonly database: Database
  /** Undefined where there is none. */
  readonly replica: Replica | undefined
  readonly write: Write
  readonly admission: Admission
  readonly edgeKeys: readonly NamedKey[]
  readonly principals: PrincipalReader
  readonly log: Log
  readonly telemetry: Telemetry
  readonly clock: () => number
  /** Takes what Pub/Sub pushes; undefined where events are pulled. */
  readonly push: PushReceiver | undefined
  /** Rejects while this process should get no requests. */
  readonly ready: () => Promise<void>
}

/** What a request is known by, in the log and to whoever asks. */
type Trail = {
  readonly requestId: string
  readonly traceparent: string
  route: string
  principal: string
  /** Of the fault that it ended with. */
  code: string | undefined
}

type LoggedOptions = AppOptions & { readonly watch: WatchRequests }

/** The core over HTTP: every route of the handlers, the documents for edges, and two addresses for whoever runs it. */
export const createApp = (given: AppOptions): Hono => {
  const options: LoggedOptions = { ...given, watch: createWatchRequests(given.telemetry) }
  // Edges send a slash behind each path.
  const app = new Hono({ strict: false })
  app.get(paths.live, (c) => c.text('ok'))
  app.get(paths.ready, async (c) => {
    try {
      await options.ready()
      return c.text('ready')
    } catch (error) {
      return c.text(error instanceof Error ? error.message : 'not ready', 503)
    }
  })
  for (const route of options.internal)
    app.on(route.method, honoPath(route.path), (c) =>
      // Requests of all classes stand on what edges and other cells ask.
      served(c, options, { path: route.path, loadClass: 'sign-in', bytesMax: internalBytesMax }, (request, trail) =>
        replyInternal(request, options, { route, trail }),
      ),
    )
  const { push } = options
  if (push)
    // Not by load: Pub/Sub counts a refusal as an attempt. They have a bound of their own.
    app.post(paths.events, (c) => logged(c, options, { route: paths.events }, (trail) => replyPush(c, push, trail)))
  const handlers = options.handlers.toSorted((a, b) => bySpecificity(a.route, b.route))
  for (const handler of handlers) {
    const { method, path } = handler.route
    const asked = { path, loadClass: loadClassOf(handler.route), bytesMax: handler.route.bodyBytesMax ?? bodyBytesMax }
    app.on(method, honoPath(path), (c) =>
      served(c, options, asked, (request, trail) => reply(request, options, { handler, trail })),
    )
  }
  app.notFound((c) => logged(c, options, { route: 'none' }, async () => Promise.reject(new Fault('not_found'))))
  return app
}

const honoPath = (path: string) => path.replace(/\{(\w+)\}/g, ':$1')

const reply = async (
  request: RawRequest,
  options: AppOptions,
  { handler, trail }: { handler: Handler; trail: Trail },
): Promise<Reply> => {
  const now = new Date(options.clock())
  const { mac, signedAt } = verifyEdgeSignature(request, options.edgeKeys, now.getTime())
  if (request.header(edgeHeaders.cell) !== options.cell)
    throw new Fault('misdirected', { extras: { cell: options.cell } })
  const deadlineAt = deadlineOf(request.header, { nowMs: now.getTime(), signedAt })
  const db = options.database.until(deadlineAt)

  const { route } = handler
  const principal = await options.principals({ header: request.header, access: route.access, now, db })
  trail.principal = principal.kind
  requireRights(route, principal)
  const { cell, replica, write } = options
  const { requestId, traceparent } = trail
  const floor = parseFloor(request.header(edgeHeaders.floor))
  const address = request.header(edgeHeaders.address)
  const ctx: Context = {
    ...{ cell, db, replica, floor, write, principal, address, requestId, traceparent, now, deadlineAt },
    ifMatch: ifMatchOf(route, request),
    place: parsePlace(request.header(edgeHeaders.place)),
  }

  const input = parseInput(route, request)
  // The edge sends a key where its caller did not. Without one, what is replayed is known by its signature.
  const key = idempotencyKeyOf(route, request.header('idempotency-key'), () => mac)
  const command: Command | undefined =
    key === undefined
      ? undefined
      : {
          key,
          principal: principalName(principal),
          fingerprint: fingerprintOf(request),
          requestId,
          traceparent,
          now,
          deadlineAt,
        }
  if (command) await requireLiveSession(db, principal, now)
  // `input` was parsed with the schemas of the very route that the handler's verb was bound to.
  return handler.reply(ctx, input as never, command)
}

const replyInternal = async (
  request: RawRequest,
  options: AppOptions,
  { route, trail }: { route: InternalRoute; trail: Trail },
): Promise<Reply> => {
  const now = new Date(options.clock())
  const { signedAt } = verifyEdgeSignature(request, options.edgeKeys, now.getTime())
  if (request.header(edgeHeaders.cell) !== options.cell)
    throw new Fault('misdirected', { extras: { cell: options.cell } })
  trail.principal = 'internal'
  const deadlineAt = deadlineOf(request.header, { nowMs: now.getTime(), signedAt })
  const answer = await route.answer(request, { ...trail, now, deadlineAt })
  return { status: 200, contentType: 'application/json', body: JSON.stringify(answer) }
}

const replyPush = async (c: HonoContext, push: PushReceiver, trail: Trail): Promise<Reply> => {
  trail.principal = 'pubsub'
  await push({ header: (name) => c.req.header(name), readBody: (bytesMax) => bodyOf(c, bytesMax) })
  return { status: 204, contentType: 'text/plain', body: null }
}

/**
 * A body of at most `limitBytes`. Edges state its length. Pub/Sub does not promise to, and what stands between may pass a body
 * on in chunks, so what has no length is counted while it is read.
 */
const bodyOf = async (c: HonoContext, limitBytes: number): Promise<Uint8Array> => {
  const tooLarge = () => new Fault('body_too_large', { extras: { limitBytes } })
  if (Number(c.req.header('content-length') ?? 0) > limitBytes) throw tooLarge()
  try {
    if (c.req.header('transfer-encoding') === undefined) return new Uint8Array(await c.req.arrayBuffer())
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of c.req.raw.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > limitBytes) throw tooLarge()
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (error) {
    if (error instanceof Fault) throw error
    // Who hung up hears no answer, and it is no outage of ours.
    throw new Fault('malformed_json', { detail: 'the body ended before its end', cause: error })
  }
}

const rawRequestOf = async (c: HonoContext, limitBytes: number): Promise<RawRequest> => {
  const { url } = c.req
  return {
    method: c.req.method,
    // The very text that was routed and is parsed for parameters: what another reading of it would leave out is not signed.
    target: targetOfWire(url.slice(url.indexOf('/', url.indexOf('//') + 2))),
    header: (name) => c.req.header(name),
    params: c.req.param(),
    query: c.req.query(),
    body: await bodyOf(c, limitBytes),
  }
}

/** Where Pub/Sub pushes to. */

/** A request that ran out of time sooner than this did so before it was begun. */
const begunMs = 100

/**
 * Answers where there is room for one more, before anything of the request is believed. Only what is here in full takes room: who
 * sends slowly, or never to the end, keeps nobody out.
 */
const served = (
  c: HonoContext,
  options: LoggedOptions,
  { path, loadClass, bytesMax }: { readonly path: string; readonly loadClass: LoadClass; readonly bytesMax: number },
  answer: (request: RawRequest, trail: Trail) => Promise<Reply>,
): Promise<Response> =>
  logged(c, options, { route: path, loadClass }, async (trail) => {
    const request = await rawRequestOf(c, bytesMax)
    const leave = await options.admission.enter(loadClass, `${c.req.method} ${path}`)
    const startedAt = performance.now()
    let wasWorkedOff = false
    try {
      const result = await answer(request, trail)
      wasWorkedOff = true
      return result
    } catch (error) {
      // What took too long says most of all; what was refused for another reason may have taken no time.
      wasWorkedOff = faultOf(error).code === 'deadline_exceeded' && performance.now() - startedAt > begunMs
      throw error
    } finally {
      leave(wasWorkedOff)
    }
  })

/** Answers, turns what was thrown into a problem, and writes the one line that a request leaves in the log. */
const logged = (
  c: HonoContext,
  options: LoggedOptions,
  { route, loadClass }: { readonly route: string; readonly loadClass?: LoadClass },
  answer: (trail: Trail) => Promise<Reply>,
): Promise<Response> => {
  const { method } = c.req
  const traceparent = c.req.header('traceparent') ?? newTraceparent()
  return options.watch({ method, route, loadClass, traceparent }, (watched) =>
    loggedAs(watched, c, options, { route, answer }),
  )
}

const loggedAs = async (
  { traceparent, end }: WatchedRequest,
  c: HonoContext,
  options: LoggedOptions,
  { route, answer }: { readonly route: string; readonly answer: (trail: Trail) => Promise<Reply> },
): Promise<Response> => {
  const startedAt = performance.now()
  const trail: Trail = {
    requestId: c.req.header('x-request-id') ?? randomUUID(),
    traceparent,
    route,
    principal: 'none',
    code: undefined,
  }
  const result = await answer(trail).catch((error: unknown) => failure(error, options.log, trail))
  const { requestId, principal } = trail
  for (const error of result.failed ?? []) logFailure(error, options.log, trail)
  // A line would cost more than the refusal; they are told by number.
  if (!result.refused)
    options.log.info('request', {
      requestId,
      trace: traceparent.split('-')[1],
      method: c.req.method,
      route: trail.route,
      principal,
      status: result.status,
      ...(result.source ? { source: result.source } : {}),
      durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
    })
  end({ status: result.status, principal, code: trail.code })
  const headers = { 'content-type': result.contentType, 'x-request-id': requestId, ...result.headers }
  return new Response(result.body, { status: result.status, headers })
}

const logFailure = (error: unknown, log: Log, { requestId, route }: Trail): Fault => {
  const fault = faultOf(error)
  // A fault was thrown on purpose; what became one has its cause told here, and nowhere else.
  if (fault !== error) log.error('a request failed', error, { requestId, route, code: fault.code })
  return fault
}

const failure = (error: unknown, log: Log, trail: Trail): Reply => {
  const { requestId } = trail
  const fault = logFailure(error, log, trail)
  trail.code = fault.code
  const retryAfter = retryAfterOf(fault)
  return {
    status: fault.status,
    contentType: problemContentType,
    body: problemText(fault, requestId),
    headers: {
      ...(retryAfter ? { 'retry-after': retryAfter } : {}),
      ...(error instanceof Absent ? error.headers : {}),
    },
    ...(error instanceof Absent ? { source: error.source } : {}),
    ...(fault.code === 'overloaded' ? { refused: true } : {}),
  }
}

/** For whoever brings none, which is no edge: it is not sampled, for that is decided at the edge. */
const newTraceparent = () => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`
