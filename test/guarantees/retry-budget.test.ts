import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ErrorCode, errors } from '#contract/errors.ts'
import type { PlayerId } from '#contract/ids.ts'
import { Fault, problemContentType, problemText } from '#contract/problem.ts'
import { isDocument, passDocument, type StandIn, startStandIn } from '#test/extra-edge.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { startSessions } from '#test/sessions.ts'
import { makePlayers } from '#test/wallet-calls.ts'

/** Calls while the core is well, by which nothing can be saved up but what an isolate begins with, and after that. */
const callsWell = 400
const calls = sized({ short: 3_000, long: 20_000 })
const callersAtOnce = 40
const isolates = 2
/** Retries that an isolate has for a cell before any call has earned one. */
const savedMax = 10
const attemptsShareMax = 1.1
const failingShare = 0.01
const throughMin = 0.998
/** Of calls that are all refused every one is sent until there were twenty of a class, then fewer, and in the end a tenth. */
const refusedShareMax = sized({ short: 0.3, long: 0.15 })
const testMaxMs = sized({ short: 60_000, long: 600_000 })

/** How the core answers: well, with a problem, as a balancer that has none, or by hanging up. */
type Manner = 'well' | 'balancer' | 'hangs up' | ErrorCode

let world: World
let players: PlayerId[]
let tokens: string[]
const random = createRandom()

beforeAll(async () => {
  world = await startWorld()
  players = await makePlayers(world, 8)
})
afterAll(() => world?.stop())

/**
 * A core that counts how often each request comes, by its id, and under how many idempotency keys; it answers each attempt as `manner`
 * says.
 */
type CountingCore = StandIn & {
  manner: () => Manner
  readonly attempts: Map<string, number>
  readonly keys: Map<string, Set<unknown>>
  /** What the edge asked for itself: calls too, which are answered and earn their part of a retry. */
  documents: number
}

const startCountingCore = async (): Promise<CountingCore> => {
  const attempts = new Map<string, number>()
  const keys: CountingCore['keys'] = new Map()
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (isDocument(request)) {
      core.documents++
      return void passDocument(world, request, response)
    }
    const requestId = String(request.headers['x-request-id'])
    attempts.set(requestId, (attempts.get(requestId) ?? 0) + 1)
    keys.set(requestId, (keys.get(requestId) ?? new Set()).add(request.headers['idempotency-key']))
    const manner = core.manner()
    request.resume()
    if (manner === 'hangs up') return void response.destroy()
    if (manner === 'balancer') return void response.writeHead(502, { 'content-type': 'text/html' }).end('Bad Gateway')
    if (manner === 'well') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    const headers = { 'content-type': problemContentType, 'retry-after': '1' }
    response.writeHead(errors[manner].status, headers).end(problemText(new Fault(manner), requestId))
  }
  const core: CountingCore = { ...(await startStandIn(answer)), manner: () => 'well', attempts, keys, documents: 0 }
  return core
}

/** A call of each kind, and whether it may be repeated. */
const kinds = [
  { method: 'GET', path: '/v1/wallet', isRepeatable: true },
  { method: 'PATCH', path: '/v1/players/me', body: '{"displayName":"Ada"}', isRepeatable: true },
  { method: 'POST', path: '/v1/auth/device', body: '{"deviceId":"0123456789abcdef"}', isRepeatable: true },
  { method: 'POST', path: '/v1/auth/logout', isRepeatable: false },
] as const

type Sent = { readonly id: string; readonly isRepeatable: boolean; readonly status: number; readonly code: string }

const send = async (url: string, number: number): Promise<Sent> => {
  const { isRepeatable, ...kind } = kinds[number % kinds.length] ?? kinds[0]
  const id = randomUUID()
  const response = await fetch(url + kind.path, {
    method: kind.method,
    headers: {
      'x-request-id': id,
      'x-api-key': world.keys.publishable,
      authorization: `Bearer ${tokens[number % tokens.length]}`,
      ...('body' in kind ? { 'content-type': 'application/json' } : {}),
    },
    ...('body' in kind ? { body: kind.body } : {}),
  })
  const { code = '' } = JSON.parse(await response.text()) as { code?: string }
  return { id, isRepeatable, status: response.status, code }
}

/** Sends many, a few at a time and each isolate in turn. */
const sendAll = async (urls: readonly string[], count: number): Promise<Sent[]> => {
  const sent: Sent[] = []
  let next = 0
  const caller = async () => {
    while (next < count) {
      const number = next++
      sent.push(await send(urls[number % urls.length] ?? '', number))
    }
  }
  await Promise.all(Array.from({ length: callersAtOnce }, caller))
  return sent
}

/** Sends `well` calls while the core is well, then many while it answers as `manner` says. */
const run = async (manner: () => Manner, well = callsWell) => {
  // None expires in the middle.
  tokens = await startSessions(world, { players, inMs: testMaxMs / 2 })
  const core = await startCountingCore()
  const centre = await startIsolates(world, { isolates, coreUrl: core.url })
  try {
    const before = await sendAll(centre.urls, well)
    expect(before.filter(({ status }) => status !== 200 && status !== 201)).toEqual([])
    const attemptsBefore = core.attempts.size
    core.manner = manner
    const sent = await sendAll(centre.urls, calls)
    expect([...core.keys.values()].filter(({ size }) => size > 1)).toEqual([])
    // What was given up on may still be on its way.
    await pause(200)
    const all = [...core.attempts.values()].reduce((sum, count) => sum + count, 0)
    return {
      sent,
      attemptsOf: (id: string) => core.attempts.get(id) ?? 0,
      attempts: all - attemptsBefore,
      all,
      documents: core.documents,
    }
  } finally {
    await centre.stop()
    await core.stop()
  }
}

const through = ({ status }: Sent) => status < 400

test.each<Manner>(['unavailable', 'internal', 'balancer', 'hangs up'])(
  'a core that answers every call with %s is sent no more than a tenth more than it is offered, none of it twice that may not be',
  async (manner) => {
    const { sent, attemptsOf, attempts, all, documents } = await run(() => manner)
    const most = Math.max(...sent.map(({ id }) => attemptsOf(id)))
    tell(`retry-budget, ${manner}`, {
      offered: calls,
      attempts,
      'attempts for each': (attempts / calls).toFixed(3),
      'attempts for each, with those before': (all / (calls + callsWell)).toFixed(3),
      'for one call at the most': most,
    })
    expect(sent.filter(through)).toEqual([])
    // Documents are answered here, and each closes the breaker for a moment; what fails then is the throttle's to see.
    const told =
      manner === 'internal' ? ['internal'] : manner === 'unavailable' ? [manner] : ['unavailable', 'overloaded']
    expect(sent.filter(({ code }) => !told.includes(code))).toEqual([])
    expect(all + documents).toBeLessThanOrEqual(attemptsShareMax * (calls + callsWell + documents))
    const whileFailing = attemptsShareMax * (calls + documents) + savedMax * isolates
    expect(attempts + documents).toBeLessThanOrEqual(whileFailing)
    expect(most).toBeLessThanOrEqual(manner === 'internal' ? 1 : 2)
    expect(sent.filter(({ isRepeatable, id }) => !isRepeatable && attemptsOf(id) > 1)).toEqual([])
    // Whoever answers, with a failure or not, is asked; whoever does not is left alone.
    if (manner === 'unavailable' || manner === 'internal') expect(attempts).toBeGreaterThanOrEqual(calls)
    else expect(attempts).toBeLessThan(calls / 10)
  },
  testMaxMs,
)

test(
  'of calls of which one in a hundred gets no answer or a refusal nearly all get through that may be repeated',
  async () => {
    const failures: readonly Manner[] = ['hangs up', 'unavailable', 'balancer']
    const failure = () => failures[Math.floor(random() * failures.length)] ?? 'hangs up'
    const { sent, attempts } = await run(() => (random() < failingShare ? failure() : 'well'))
    const repeatable = sent.filter(({ isRepeatable }) => isRepeatable)
    const share = repeatable.filter(through).length / repeatable.length
    tell('retry-budget, one in a hundred', {
      offered: calls,
      'that may be repeated': repeatable.length,
      'got through, %': (100 * share).toFixed(3),
      retried: attempts - calls,
      'failed that may not be repeated': sent.filter((one) => !one.isRepeatable && !through(one)).length,
    })
    expect(share).toBeGreaterThanOrEqual(throughMin)
    expect(attempts - calls).toBeGreaterThan(0)
    expect(attempts - calls).toBeLessThanOrEqual(calls * failingShare * 2)
  },
  testMaxMs,
)

test(
  'a core that has too much to do is asked nothing twice, and soon is spared most of what it would refuse',
  async () => {
    const { sent, attemptsOf, attempts } = await run(() => 'overloaded', 0)
    tell('retry-budget, overloaded', { offered: calls, attempts, 'attempts for each': (attempts / calls).toFixed(3) })
    expect(sent.filter(({ status, code }) => status !== 503 || code !== 'overloaded')).toEqual([])
    expect(Math.max(...sent.map(({ id }) => attemptsOf(id)))).toBe(1)
    expect(attempts).toBeLessThanOrEqual(refusedShareMax * calls)
  },
  testMaxMs,
)
