import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createDependencies } from '#core/dependencies.ts'
import { createGatherer } from '#core/gather.ts'
import { createLimiter } from '#core/limiter.ts'
import { observeQueries, summaryOf } from '#core/watch-queries.ts'
import { createWatchSets } from '#core/watch-sets.ts'
import { observeRedis, watchLimiter } from '#core/watch-stores.ts'
import { moveStatement } from '#db/value.ts'
import { askedPerSecondMax, createSampling } from '#edge/sampling.ts'
import { createTrace, parseTraceparent, traceparentOf } from '#edge/trace.ts'
import { type ShownSpan, treeOf } from '#infra/local/trace-tree.ts'
import { startTraces } from '#infra/local/traces.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { createTelemetry, type Observation, silentTelemetry } from '#infra/telemetry.ts'
import { eventually } from './eventually.ts'
import { startWorld, type World } from './harness.ts'
import { createRecordedTelemetry, namedSpan } from './recorded-telemetry.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

const never = () => 1
const traceId = () => randomUUID().replaceAll('-', '')
const spanId = '00f067aa0ba902b7'

test('callers who ask for it are recorded up to the bound of a second, however many there are, and again in the next', () => {
  let now = 5_000
  const sample = createSampling({ share: 0, clock: () => now, random: never })
  const askAll = () => Array.from({ length: 1_000 }, () => sample(true)).filter(Boolean).length
  expect(askAll()).toBe(askedPerSecondMax)
  expect(sample(false)).toBe(false)
  now += 999
  expect(askAll()).toBe(0)
  now += 1
  expect(askAll()).toBe(askedPerSecondMax)
})

test('of those who do not ask, the share is recorded', () => {
  let drawn = 0
  const sample = createSampling({ share: 0.25, clock: () => 0, random: () => (drawn++ % 100) / 100 })
  expect(Array.from({ length: 1_000 }, () => sample(false)).filter(Boolean)).toHaveLength(250)
})

test('a trace is decided once, continues the caller’s id, and hands on a span of the edge’s own', () => {
  let asked = 0
  const sample = (isAsked: boolean) => {
    asked++
    return isAsked
  }
  const id = traceId()
  const trace = createTrace(parseTraceparent(`00-${id}-${spanId}-01`), sample)
  expect(asked).toBe(0)
  const handedOn = traceparentOf(trace)
  expect(handedOn).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-01$`))
  expect(handedOn).not.toContain(spanId)
  expect(traceparentOf(trace)).toBe(handedOn)
  expect(trace.parentId).toBe(spanId)
  expect(asked).toBe(1)
  expect(traceparentOf(createTrace(parseTraceparent(`00-${id}-${spanId}-00`), sample))).toMatch(/-00$/)
  for (const bad of [undefined, '', `00-${'0'.repeat(32)}-${spanId}-01`, `01-${id}-${spanId}-01`, `00-${id}-${spanId}`])
    expect(parseTraceparent(bad), bad).toBeUndefined()
})

test('what the edge asks a core for carries the caller’s trace, and the edge’s span is in its line', async () => {
  const { client } = await world.signIn()
  const id = traceId()
  await client.getWallet(undefined, { headers: { traceparent: `00-${id}-${spanId}-01` } })
  const linesOf = () => world.logLines.map((line) => JSON.parse(line)).filter(({ trace }) => trace === id)
  // The edge writes its line when it has answered.
  await eventually(async () => linesOf().some(({ service }) => service === 'edge'), 5_000)
  const lines = linesOf()
  expect(lines.find(({ service }) => service === 'edge')).toMatchObject({ parent: spanId, sampled: true })
  expect(lines.find(({ service }) => service === 'core')).toMatchObject({ message: 'request' })
})

test('without a destination nothing is recorded, and OpenTelemetry is not loaded', async () => {
  const service = { name: 'test', attributes: {} }
  const fail = () => {
    throw new Error('nothing was to be sent')
  }
  expect(await createTelemetry({}, service, fail)).toBe(silentTelemetry)
  const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }
  expect(await createTelemetry(disabled, service, fail)).toBe(silentTelemetry)
  expect(
    silentTelemetry.startSpan('anything', { kind: 'server', parent: `00-${traceId()}-${spanId}-01` }),
  ).toBeUndefined()
})

test('a statement is told by its verbs and tables, and by nothing that stands in it', () => {
  expect(summaryOf('select "player_id" from "players" where "player_id" = $1 for update')).toBe('select players')
  expect(summaryOf(`insert into "outbox" ("data") values ('{"a":"update secrets"}')`)).toMatch(/^insert outbox/)
  expect(summaryOf('insert into t (a) values ($1) on conflict (a) do update set a = $1')).toBe('insert t')
  expect(summaryOf('with w as (select * from a for no key update) update b set c = 1')).toBe('update b')
  expect(summaryOf('delete from "inbox" where at < $1')).toBe('delete inbox')
  expect(summaryOf('select pg_advisory_xact_lock($1)')).toBe('select')
  expect(summaryOf(moveStatement.passing)).toMatch(/^insert idempotency_claims, /)
})

test('a set is a part of the trace of each of its members, and of nobody else’s', async () => {
  const telemetry = createRecordedTelemetry()
  const ran: { inputs: readonly string[]; within: string | undefined }[] = []
  const waiting = Promise.withResolvers<void>()
  const gather = createGatherer({
    run: async (inputs: readonly string[]) => {
      ran.push({ inputs, within: telemetry.activeSpan()?.traceparent })
      if (ran.length === 1) await waiting.promise
      return inputs
    },
    sets: { size: 8, inFlight: 1 },
    watched: { name: 'tests', watch: createWatchSets(telemetry) },
  })
  const call = (name: string) => telemetry.within(namedSpan(name), () => gather(name))
  const calls = [call('a'), call('b'), gather('none'), call('c')]
  waiting.resolve()
  await Promise.all(calls)
  expect(ran).toEqual([
    { inputs: ['a'], within: undefined },
    { inputs: ['b', 'none', 'c'], within: undefined },
  ])
  expect(telemetry.begun.map(({ name, under }) => [name, under])).toEqual(
    ['a', 'b', 'c'].map((under) => ['set tests', under]),
  )
})

test('a refusal of a limit is counted by what is limited, never by whose it is', async () => {
  const telemetry = createRecordedTelemetry()
  const limiter = watchLimiter(telemetry, createLimiter(createAbsentRedis()))
  const limit = { burst: 1, intervalMs: 60_000 }
  for (let call = 0; call < 3; call++) await limiter.take('links:ply_eu1_somebody', limit, 1_000)
  const attributes = { 'perigee.limit': 'links' }
  expect(telemetry.counted).toEqual(Array(2).fill({ metric: 'perigee.limiter.refused', value: 1, attributes }))
})

test('a span of a statement has nothing of its text, and one of a command of Redis nothing of its key', async () => {
  const telemetry = createRecordedTelemetry()
  const observe = observeQueries(telemetry)
  expect(observe?.({ text: 'select 1' }), 'of no request').toBeUndefined()
  const redis = observeRedis(telemetry, {
    run: async () => 0,
    get: async () => undefined,
    put: async () => {},
    ping: async () => {},
    close: async () => {},
  })
  await telemetry.within(namedSpan('request'), async () => {
    observe?.({ text: "select * from players where display_name = 'hidden'" })?.()
    const script = { name: 'perigeeGcra', keys: 1, text: 'return 0' }
    await Promise.all([
      redis.run(script, ['hidden'], ['hidden']),
      redis.get('hidden'),
      redis.put('hidden', 'hidden', 1),
    ])
  })
  expect(telemetry.begun.map(({ name }) => name)).toEqual(['select players', 'perigeeGcra', 'GET', 'SET'])
  expect(JSON.stringify(telemetry.begun)).not.toContain('hidden')
})

test('a dependency that goes is a line and a 0, once; one that comes back a line and a 1', async () => {
  const lines: string[] = []
  let isUp = true
  const figures: (() => readonly Observation[])[] = []
  const { runOnce } = createDependencies({
    dependencies: [
      {
        name: 'postgres',
        ping: async () => {
          if (!isUp) throw new Error('gone')
        },
      },
    ],
    telemetry: { ...silentTelemetry, observe: (_, __, read) => figures.push(read) },
    log: createLog({}, (line) => lines.push(JSON.parse(line).message)),
  })
  const value = () => figures[0]?.()[0]?.value
  expect(value()).toBeUndefined()
  for (const state of [true, true, false, false, true]) {
    isUp = state
    await runOnce()
    expect(value()).toBe(state ? 1 : 0)
  }
  expect(lines).toEqual(['a dependency is away', 'a dependency is back'])
})

test('a trace is shown as a tree, each span below what it is a part of and where it was in time', () => {
  const span = (spanId: string, parentId: string | undefined, from: number, durationMs: number): ShownSpan => ({
    ...{ traceId: 'trace', spanId, parentId, name: spanId, where: 'core', durationMs },
    startedAt: 1_000 + from,
    detail: undefined,
    failed: spanId === 'c',
  })
  const tree = treeOf([
    span('c', 'b', 18, 6),
    span('b', 'a', 6, 18),
    span('a', 'elsewhere', 0, 24),
    span('d', 'a', 12, 3),
  ])
  expect(tree).toEqual([
    'trace trace',
    `  core  a      ${'█'.repeat(24)}     24.0 ms`,
    `  ├ core  b    ${' '.repeat(6)}${'█'.repeat(18)}     18.0 ms`,
    `  │ └ core  c  ${' '.repeat(18)}${'█'.repeat(6)}      6.0 ms  FAILED`,
    `  └ core  d    ${' '.repeat(12)}${'█'.repeat(3)}${' '.repeat(9)}      3.0 ms`,
  ])
})

test('more spans than a stack holds are shown too', () => {
  const spans = Array.from({ length: 200_000 }, (_, at) => ({
    traceId: 'trace',
    spanId: `${at}`,
    parentId: undefined,
    name: 'name',
    where: 'core',
    startedAt: at,
    durationMs: 1,
    detail: undefined,
    failed: false,
  }))
  expect(treeOf(spans)).toHaveLength(200_001)
})

test('a trace that is never quiet is printed in parts, and what is left of it when it is', async () => {
  const printed: string[] = []
  const traces = await startTraces((line) => printed.push(line))
  onTestFinished(() => traces.collector.close())
  const trace = traceId()
  const take = (count: number) => {
    for (let at = 0; at < count; at++) {
      const span = { trace, span: randomUUID(), method: 'GET', route: '/', status: 200, sampled: true, durationMs: 1 }
      traces.takeEdgeLine(JSON.stringify({ message: 'request', time: new Date().toISOString(), ...span }))
    }
  }
  const sizes = () =>
    printed
      .join('\n')
      .split('trace ')
      .slice(1)
      .map((tree) => tree.split('GET').length - 1)
  take(1_200)
  expect(sizes()).toEqual([500, 500])
  await vi.waitFor(() => expect(sizes()).toEqual([500, 500, 200]), 5_000)
})
