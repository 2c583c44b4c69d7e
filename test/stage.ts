import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId } from '#contract/ids.ts'
import { Fault, problemContentType, problemText } from '#contract/problem.ts'
import { firstToken } from '#core/auth/refresh-token.ts'
import { createSessionIssuer } from '#core/auth/session-issuer.ts'
import { createSecrets, sha256 } from '#core/secrets.ts'
import { createSignerSource } from '#core/signing-keys.ts'
import { freePort } from '#infra/local/ports.ts'
import { publishClosedEvents } from './closed-events.ts'
import { isDocument, passDocument, startExtraEdge, startStandIn } from './extra-edge.ts'
import { cell, startWorld } from './harness.ts'
import { publishExamples } from './published.ts'
import { makeSpareContent } from './spare-content.ts'
import { makeSpareSessions, type SpareSessions } from './spare-sessions.ts'
import { type Call, type Cast, callerOf } from './valid-call.ts'

/** A world, and beside its edge six others that something ails. */
export type Stage = Cast & {
  readonly spares: SpareSessions
  readonly edges: {
    /** Its core is gone, and was never there; nor is Upstash, where documents outlive a core. */
    readonly closed: string
    /** It has documents. Its core never answers, or, to a request whose id begins with `misdirect-`, names another cell. */
    readonly silent: string
    /** Its core never answers, and never did. */
    readonly mute: string
    /** Its core fails, documents are not what they should be, and there are no files. */
    readonly broken: string
    /** It has documents. To everything else its core says that it has too much to do. */
    readonly overloaded: string
    /** It serves each caller once in ten seconds. */
    readonly strict: string
  }
  /** An access token that we signed, and that was good an hour ago. */
  expiredToken(): Promise<string>
  /** Does something while another call holds the idempotency key of this one. */
  whileKeyIsTaken<T>(call: Call, work: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

const otherCell = 'us1'
/** Several for each error that a route declares which ends its session. */
const sparesCount = 600

export const startStage = async (): Promise<Stage> => {
  const world = await startWorld()
  await publishExamples(world)
  const player = await world.signIn()
  const spares = await makeSpareSessions(world, sparesCount)
  await makeSpareContent(world)
  const silentCore = await startStandIn((request, response) => {
    if (isDocument(request)) return void passDocument(world, request, response)
    const requestId = String(request.headers['x-request-id'])
    if (!requestId.startsWith('misdirect-')) return
    const named = request.headers['perigee-cell'] === cell ? otherCell : cell
    const fault = new Fault('misdirected', { extras: { cell: named } })
    response.writeHead(421, { 'content-type': problemContentType }).end(problemText(fault, requestId))
  })
  const muteCore = await startStandIn(() => {})
  const brokenCore = await startStandIn((request, response) => {
    if (isDocument(request)) return void response.end('{}')
    const text = problemText(new Fault('internal'), String(request.headers['x-request-id']))
    response.writeHead(500, { 'content-type': problemContentType }).end(text)
  })
  const overloadedCore = await startStandIn((request, response) => {
    if (isDocument(request)) return void passDocument(world, request, response)
    const text = problemText(new Fault('overloaded'), String(request.headers['x-request-id']))
    response.writeHead(503, { 'content-type': problemContentType, 'retry-after': '3' }).end(text)
  })
  const [closed, silent, mute, broken, overloaded, strict] = await Promise.all([
    startExtraEdge(world, { cores: { [cell]: `http://127.0.0.1:${await freePort()}` }, upstash: false }),
    startExtraEdge(world, { cores: { [cell]: silentCore.url, [otherCell]: silentCore.url } }),
    startExtraEdge(world, { cores: { [cell]: muteCore.url }, upstash: false }),
    startExtraEdge(world, { cores: { [cell]: brokenCore.url }, assets: false, upstash: false }),
    startExtraEdge(world, { cores: { [cell]: overloadedCore.url }, upstash: false }),
    startExtraEdge(world, { cores: { [cell]: world.coreUrl }, limit: 1 }),
  ])

  await publishClosedEvents(world)

  const expiredToken = async () => {
    const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
    const signer = createSignerSource(world.database.db, secrets)
    const now = new Date(Date.now() - 3_600_000)
    const sessionId = newId('session', cell, now.getTime())
    const owner = { playerId: player.playerId, sessionId, epoch: 0, now }
    const issuer = createSessionIssuer({ cell, issuer: world.edgeUrl, secrets, signer })
    return (await issuer.issue(owner, firstToken(secrets, sessionId))).accessToken
  }

  const principalOf = async (call: Call): Promise<string> => {
    const { route, headers } = call
    if (route.access === 'player') return `player:${callerOf(call)}`
    const hash = sha256(headers.authorization?.replace('Bearer ', '') ?? '')
    const [key] = await world.sql`select key_id, operator_id from api_keys where hash = ${hash}`
    return key?.operator_id ? `operator:${key.operator_id}` : `key:${key?.key_id}`
  }

  const whileKeyIsTaken: Stage['whileKeyIsTaken'] = async (call, work) => {
    const name = `${await principalOf(call)} ${call.headers['idempotency-key']}`
    return world.sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(hashtextextended(${name}::text, 0))`
      return work()
    }) as ReturnType<typeof work>
  }

  return {
    world,
    player,
    spares,
    edges: {
      closed: closed.url,
      silent: silent.url,
      mute: mute.url,
      broken: broken.url,
      overloaded: overloaded.url,
      strict: strict.url,
    },
    expiredToken,
    whileKeyIsTaken,
    stop: async () => {
      await Promise.all([closed, silent, mute, broken, overloaded, strict].map((edge) => edge.stop()))
      await Promise.all([silentCore, muteCore, brokenCore, overloadedCore].map((core) => core.stop()))
      await world.stop()
    },
  }
}
