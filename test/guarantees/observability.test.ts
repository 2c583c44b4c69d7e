import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type CollectedPoint, type CollectedSpan, reportingTo, startCollector } from '#infra/local/collector.ts'
import { createAlerts, readRules } from '#test/alerts.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { createStops } from '#test/deployment.ts'
import { eventually } from '#test/eventually.ts'
import { sized, tell } from '#test/guarantee.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'
import { type SeverableProxy, startSeverableProxy } from '#test/severable-proxy.ts'
import { startWatchedWorld, type WatchedWorld } from '#test/watched-world.ts'

/** The interval of production in the long form. The short one divides it, and the rules' times, by fifteen. */
const intervalMs = sized({ short: 1_000, long: 15_000 })
const scale = sized({ short: 1 / 15, long: 1 })
/** A core looks at what it stands on each five seconds in the short form too, and waits for two: the rest of the minute is halved. */
const promisedMs = sized({ short: 30_000, long: 60_000 })
/** The longest that a rule looks at, and an export more: by then each has had its time to fire. */
const quietExports = Math.ceil((60_000 * scale) / intervalMs) + 1
/** Says only how busy the machine is that a test runs on. */
const ofTheMachine = 'event-loop-late'

let world: WatchedWorld
beforeAll(async () => {
  world = await startWatchedWorld()
})
afterAll(() => world?.stop())

test('one trace spans edge, core, SQL, outbox, publish and consumer, each a part of what called for it', async () => {
  const { client, playerId } = await world.signIn()
  const [traceId, parentId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const headers = { traceparent: `00-${traceId}-${parentId}-01` }
  await client.updateOwnProfile({ body: { displayName: 'Traced' } }, { headers })

  const spans = () => world.spans.filter((span) => span.traceId === traceId)
  const of = (name: string): CollectedSpan | undefined => spans().find((span) => span.name === name)
  await eventually(async () => of('process invalidate') !== undefined && of('raise versions') !== undefined, 15_000)
  const edge = world.logLines.map((line) => JSON.parse(line)).find((line) => line.trace === traceId && line.span)
  expect(edge).toMatchObject({ service: 'edge', parent: parentId, sampled: true, status: 200 })

  const request = of('PATCH /v1/players/me')
  expect(request).toMatchObject({ parentId: edge.span, kind: 'server', failed: false })
  expect(of('set profile-changes')).toMatchObject({ parentId: request?.spanId, kind: 'client' })
  expect(of('select sessions'), 'the look at the session').toMatchObject({ parentId: request?.spanId, kind: 'client' })
  expect(of('publish perigee.player.updated.v1')).toMatchObject({ parentId: request?.spanId, kind: 'producer' })
  expect(of('process invalidate')).toMatchObject({ parentId: request?.spanId, kind: 'consumer' })
  expect(of('raise versions')).toMatchObject({ parentId: of('process invalidate')?.spanId, kind: 'client' })
  const [row] = await world.sql`select traceparent from outbox where aggregate = ${`player:${playerId}`} and version = (
    select max(version) from outbox where aggregate = ${`player:${playerId}`})`
  expect(row?.traceparent, 'in the outbox').toBe(`00-${traceId}-${request?.spanId}-01`)
})

test('every metric has the attributes that it is said to have, and none of them names a player, a key or a request', async () => {
  await eventually(async () => world.points.some(({ metric }) => metric === 'http.server.request.duration'), 10_000)
  const docs = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8')
  for (const { metric, attributes } of world.points) {
    const row = docs.split('\n').find((line) => line.startsWith(`| \`${metric}\` |`)) ?? ''
    expect(row, `${metric} in docs/observability.md`).not.toBe('')
    for (const [name, value] of Object.entries(attributes)) {
      expect(row, `${name} of ${metric} in docs/observability.md`).toContain(`\`${name}\``)
      expect(String(value)).not.toMatch(/[a-z]{3}_[a-z]+\d+_[0-9a-z]{20}|[0-9a-f]{16}|@/)
    }
  }
})

/** What a core stands on, each behind a wire that can be cut; and the rule that must fire then. */
const startBehindWires = async () => {
  const { stops, stop } = createStops()
  const wires = new Map<string, SeverableProxy>()
  const wire = async (rule: string, url: string): Promise<string> => {
    const own = new URL(url)
    const proxy = await startSeverableProxy(Number(own.port))
    stops.push(proxy.close)
    wires.set(rule, proxy)
    own.port = String(proxy.port)
    own.hostname = '127.0.0.1'
    return own.href.replace(/\/$/, '')
  }
  const otherCell = createServer((_, res) => res.end('ok'))
  await new Promise<void>((resolve) => otherCell.listen(0, '127.0.0.1', resolve))
  stops.push(async () => otherCell.close())
  const otherUrl = `http://127.0.0.1:${(otherCell.address() as AddressInfo).port}`
  const [redisUrl, emulator] = [inject('redisUrl'), await pubsubEmulatorHost()]
  const settings = {
    ROLE: 'all',
    DATABASE_URL: await wire('postgres-away', world.databaseUrl),
    DATABASE_REPLICA_URL: await wire('replica-away', world.databaseUrl),
    UPSTASH_URL: await wire('upstash-away', world.upstash.url),
    CELLS: JSON.stringify({ eu1: 'http://127.0.0.1', us1: await wire('cell-away', otherUrl) }),
    CONTROL_CELL: 'eu1',
    ...(redisUrl ? { REDIS_URL: await wire('redis-away', redisUrl) } : {}),
    ...(emulator
      ? {
          EVENT_BUS: 'pubsub',
          PUBSUB_PREFIX: `t${randomUUID().slice(0, 8)}`,
          PUBSUB_EMULATOR_HOST: (await wire('pubsub-away', `http://${emulator}`)).replace('http://', ''),
        }
      : {}),
  }
  return { settings, wires, stops, stop }
}

test('when something that a core stands on is away, the alert that says so fires within 60 s, and no alert fires before', {
  timeout: sized({ short: 90_000, long: 900_000 }),
}, async () => {
  const alerts = createAlerts(readRules(), scale)
  const seen = new Set<unknown>()
  const firing = () => alerts.firing(performance.now()).filter((name) => name !== ofTheMachine)
  const fired = new Set<string>()
  let exports = 0
  const take = (points: readonly CollectedPoint[]) => {
    exports++
    alerts.take(points, performance.now())
    for (const name of firing()) fired.add(name)
    for (const { metric, attributes } of points)
      if (metric === 'perigee.dependency.up') seen.add(attributes['perigee.dependency'])
  }
  const collector = await startCollector({ points: take })
  const { settings, wires, stops, stop } = await startBehindWires()
  stops.push(collector.close)
  const core: CoreProcess = await startCoreProcess(world, { ...settings, ...reportingTo(collector, { intervalMs }) })
  stops.push(core.stop)
  await eventually(async () => seen.size === wires.size, 60_000)
  const seenAfter = exports
  await eventually(async () => exports >= seenAfter + quietExports, 2 * quietExports * intervalMs)
  expect([...fired, ...firing()]).toEqual([])
  const ofDependencies = () => firing().filter((name) => wires.has(name))

  const took: Record<string, number> = {}
  const untilFires = async (rule: string) => {
    took[rule] = Math.round(await eventually(async () => firing().includes(rule), promisedMs))
  }
  for (const [rule, proxy] of wires) {
    proxy.sever()
    // One after the other in the long form, so that each alert is its own; the short one has no time to let each end.
    await sized({
      short: async () => void 0,
      long: async () => {
        await untilFires(rule)
        proxy.mend()
        await eventually(async () => ofDependencies().length === 0, promisedMs)
      },
    })()
  }
  if (Object.keys(took).length === 0) await Promise.all([...wires.keys()].map(untilFires))
  await core.stop()
  await untilFires('core-silent')
  tell('observability', {
    'export ms': intervalMs,
    ...Object.fromEntries(Object.entries(took).map(([k, v]) => [`${k} ms`, v])),
  })
  await stop()
})

test('a collector that is away costs no line a second, fails no request and delays no stop', async () => {
  const core = await startCoreProcess(world, {
    ...reportingTo({ url: 'http://127.0.0.1:9', close: async () => {} }, { intervalMs: 200 }),
  })
  const call = { method: 'GET', path: '/internal/documents/jwks', principal: { kind: 'public' } } as const
  const traceparent = () => `00-${randomUUID().replaceAll('-', '')}-00f067aa0ba902b7-01`
  for (let at = 0; at < 10; at++) {
    const { status } = await core.ask({ ...call, headers: { 'perigee-cell': 'eu1', traceparent: traceparent() } })
    expect(status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const log = readFileSync(core.logFile, 'utf8')
  expect(log.split('\n').filter((line) => line.includes('telemetry')).length).toBeLessThanOrEqual(1)
  expect(log).not.toMatch(/opentelemetry|OTLP|ECONNREFUSED/i)
  const stopsAt = performance.now()
  await core.stop()
  expect(performance.now() - stopsAt).toBeLessThan(4_000)
})
