import { Agent, request } from 'node:http'
import * as z from 'zod'
import type { EdgePrincipal } from '#contract/edge-request.ts'
import { playerIdSchema, sessionIdSchema } from '#contract/ids.ts'
import { type CoreCall, signCoreCall } from './core-call.ts'
import type { World } from './harness.ts'
import type { Call } from './valid-call.ts'

/** A request as it goes over the wire from an edge to a core: what a forger has to work with. */
export type Wire = {
  readonly method: string
  /** Goes out as it is, to the byte. */
  readonly target: string
  /** A list goes out as lines of their own. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
}

export type WireAnswer = {
  readonly status: number
  readonly text: string
  /** Of a problem; undefined for any other answer. */
  readonly code: string | undefined
  readonly replayed: boolean
}

/** A call as an edge of this world signs it, or one that has other keys or another clock. */
export const wireOf = (
  world: World,
  call: CoreCall,
  { edgeKeys = world.secrets.edgeKeys, signedAt = world.clock() } = {},
): Wire => ({
  method: call.method,
  target: call.path,
  headers: Object.fromEntries(signCoreCall(call, edgeKeys, signedAt)),
  body: new TextEncoder().encode(call.body),
})

const problemSchema = z.looseObject({ code: z.string().optional() })
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

/** Sends it without a client that would mend it: `fetch` puts targets in order, and joins headers. */
export const sendWire = (coreUrl: string, { method, target, headers, body }: Wire): Promise<WireAnswer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(coreUrl)
    const length = body.length > 0 ? { 'content-length': String(body.length) } : {}
    const sent = { ...headers, ...length }
    const outgoing = request({ agent, hostname, port, method, path: target, headers: sent }, async (answer) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of answer) chunks.push(chunk)
      const text = Buffer.concat(chunks).toString()
      const isProblem = answer.headers['content-type']?.startsWith('application/problem+json')
      const code = isProblem && text !== '' ? problemSchema.parse(JSON.parse(text)).code : undefined
      const replayed = answer.headers['idempotency-replayed'] !== undefined
      resolve({ status: answer.statusCode ?? 0, text, code, replayed })
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })

const claimsSchema = z.object({ sub: playerIdSchema, sid: sessionIdSchema, epoch: z.int() })

/** What an edge makes of a caller's request to a route, before it signs it. */
export const coreCallOf = ({ route, path, headers, body }: Call): CoreCall => {
  const { authorization = '' } = headers
  const own = ['content-type', 'idempotency-key', 'if-match', ...(route.access === 'player' ? [] : ['authorization'])]
  return {
    method: route.method,
    path,
    principal: principalOf(route.access, authorization),
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => own.includes(name))),
    ...(body === undefined ? {} : { body }),
  }
}

const principalOf = (access: Call['route']['access'], authorization: string): EdgePrincipal => {
  if (access === 'client' || access === 'app') return { kind: 'client', keyId: 'key_test' }
  if (access !== 'player') return { kind: access }
  const [, payload = ''] = authorization.split('.')
  const { sub, sid, epoch } = claimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  return { kind: access, playerId: sub, sessionId: sid, epoch }
}
