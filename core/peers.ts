import { createHmac } from 'node:crypto'
import { edgeHeaders, encodePrincipal, encodeSignature, type NamedKey, signedBytes } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import { type IdTokens, idTokenHeader } from '#infra/id-tokens.ts'
import { silentTelemetry, type Telemetry } from '#infra/telemetry.ts'
import type { Context } from './context.ts'
import { paths } from './paths.ts'

/** Between the farthest regions a trip takes a third of a second; a core that needs longer than this is not well. */
const answerMaxMs = 2_000
/** When to try again what could not be done without another cell. */
const retryAfterMs = 5_000

/** For whom one cell asks another. */
export type Origin = Pick<Context, 'now' | 'requestId' | 'traceparent' | 'deadlineAt'>

/** The cores of the other cells. They take what this one signs, as they take it from the edge. */
export type Peers = {
  /** Asks another cell's core. @throws Fault `unavailable` when it does not answer in time, or not with 200 */
  ask(cell: Cell, path: string, body: unknown, origin: Origin): Promise<unknown>
  /** Rejects when the core does not answer. */
  ping(cell: Cell): Promise<void>
}

export const createPeers = (options: {
  readonly cell: Cell
  /** Where the other cores are. */
  readonly others: ReadonlyMap<Cell, string>
  readonly edgeKeys: readonly [NamedKey, ...NamedKey[]]
  /** By which what stands before the other cores lets us in; absent where nothing does. */
  readonly idTokens?: IdTokens | undefined
  readonly clock: () => number
  readonly telemetry?: Telemetry
}): Peers => {
  const { cell: own, others, edgeKeys, idTokens, clock, telemetry = silentTelemetry } = options
  const urlOf = (cell: Cell, path: string) => {
    const url = others.get(cell)
    if (url === undefined) throw new Error(`CELLS does not name ${cell}`)
    return url + path
  }

  /** As long as it is good, what is held; a process of Node keeps its work alive by itself. */
  const idTokenHeaders = async (waitMaxMs: number): Promise<Record<string, string>> =>
    idTokens ? { [idTokenHeader]: `Bearer ${await idTokens.get({ waitMaxMs, keepAlive: () => {} })}` } : {}

  /** What the other core believes, with the moment in which it is signed. */
  const signed = (headers: Headers, path: string, body: Uint8Array): Headers => {
    const signedAt = clock()
    const header = (name: string) => headers.get(name)
    const bytes = signedBytes({ method: 'POST', target: path, signedAt, header }, body)
    const [{ keyId, secret }] = edgeKeys
    const mac = createHmac('sha256', secret).update(bytes).digest('hex')
    headers.set(edgeHeaders.signature, encodeSignature({ keyId, signedAt, mac }))
    return headers
  }

  const ask: Peers['ask'] = async (cell, path, body, { requestId, traceparent, deadlineAt }) => {
    const endsAt = Math.min(deadlineAt, clock() + answerMaxMs)
    const left = () => endsAt - clock()
    if (left() <= 0) throw new Fault('deadline_exceeded')
    const span = telemetry.startSpan(`POST ${path}`, {
      kind: 'client',
      attributes: { 'http.request.method': 'POST', 'url.template': path, 'perigee.peer': cell },
    })
    try {
      const idToken = await idTokenHeaders(left())
      const remainingMs = Math.max(0, left())
      const headers = new Headers({
        [edgeHeaders.principal]: encodePrincipal({ kind: 'cell', cell: own }),
        [edgeHeaders.cell]: cell,
        [edgeHeaders.deadline]: String(remainingMs),
        'content-type': 'application/json',
        'x-request-id': requestId,
        traceparent: span?.traceparent ?? traceparent,
        ...idToken,
      })
      const bytes = new TextEncoder().encode(JSON.stringify(body))
      const response = await fetch(urlOf(cell, path), {
        method: 'POST',
        headers: signed(headers, path, bytes),
        body: bytes,
        signal: AbortSignal.timeout(remainingMs),
        redirect: 'error',
      })
      if (!response.ok) throw new Error(`the core of ${cell} answered ${response.status} to ${path}`)
      const answer: unknown = await response.json()
      span?.end()
      return answer
    } catch (cause) {
      span?.end('unavailable')
      throw new Fault('unavailable', { detail: `the cell ${cell} does not answer`, retryAfterMs, cause })
    }
  }

  return {
    ask,
    ping: async (cell) => {
      const response = await fetch(urlOf(cell, paths.live), {
        headers: await idTokenHeaders(answerMaxMs),
        signal: AbortSignal.timeout(answerMaxMs),
        // Wherever it led, the token would go along.
        redirect: 'error',
      })
      if (!response.ok) throw new Error(`the core of ${cell} answered ${response.status}`)
    },
  }
}
