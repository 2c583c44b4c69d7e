import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepareFlags } from '#contract/evaluate/flags.ts'
import { flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import { createReaper } from '#core/reap.ts'
import { createLog } from '#infra/log.ts'
import type { CoreCall } from './core-call.ts'
import { type CoreProcess, startCoreProcess } from './core-process.ts'
import { deleteByOperator } from './erasing.ts'
import { eventually } from './eventually.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { publishDocument } from './published.ts'
import { makeSpareSessions } from './spare-sessions.ts'
import { sentOf } from './wallet-calls.ts'

const dayMs = 24 * 3_600_000

const split = [
  { variant: 'on', basisPoints: 5_000 },
  { variant: 'off', basisPoints: 5_000 },
]
const experiment = { flag: 'shop', state: 'running', trafficBasisPoints: 8_000, split }
const flags = {
  flags: { shop: { type: 'boolean', variants: { on: true, off: false }, default: 'off' } },
  experiments: { shop: { ...experiment, run: 2 }, paused: { ...experiment, state: 'paused' } },
}
const prepared = prepareFlags(flagsDocumentSchema.parse(flags))

let world: World
let second: CoreProcess
beforeAll(async () => {
  world = await startWorld()
  await publishDocument(world, 'flags', flags)
  second = await startCoreProcess(world)
})
afterAll(async () => {
  await second?.stop()
  await world?.stop()
})

type Report = {
  readonly experiment: string
  readonly run: number
  readonly variant: string
  readonly unit: string
}

/** A unit that takes part or not, and what it would be reported with. */
const makeReport = (takesPart: boolean): Report => {
  for (;;) {
    const unit = randomUUID()
    const variant = prepared.variantOf('shop', 2, unit)
    if ((variant !== undefined) === takesPart) return { experiment: 'shop', run: 2, variant: variant ?? 'on', unit }
  }
}

const report = async ({ client }: SignedIn, ...exposures: Report[]) =>
  (await client.recordExposures({ body: { exposures } })).body.results.map(({ status }) => status)
const eventsOf = async (units: readonly string[]) =>
  (
    await world.sql`select data, aggregate, version from outbox
      where type = 'perigee.experiment.exposed.v1' and data->>'unit' = any(${[...units]}) order by version`
  ).map(({ data, aggregate, version }) => ({ data, aggregate, version: Number(version) }))

test('the first report of a unit in a run becomes an event; what comes again, in the same call or later, changes nothing', async () => {
  const player = await world.signIn()
  const [one, two] = [makeReport(true), makeReport(true)]
  expect(await report(player, one, two, one)).toEqual(['recorded', 'recorded', 'repeated'])
  expect(await report(player, two)).toEqual(['repeated'])
  expect(await report(await world.signIn(), one)).toEqual(['repeated'])
  const events = await eventsOf([one.unit, two.unit])
  expect(events.map(({ data }) => data)).toEqual(
    expect.arrayContaining([one, two].map((known) => ({ ...known, playerId: player.playerId }))),
  )
  expect(new Set(events.map(({ version }) => version)).size).toBe(2)
  expect(new Set(events.map(({ aggregate }) => aggregate))).toEqual(new Set([`exposure:${player.playerId}`]))
})

test('the events of a player have versions that grow from call to call', async () => {
  const player = await world.signIn()
  const versions: number[] = []
  for (let call = 0; call < 5; call++) {
    const reports = Array.from({ length: 3 }, () => makeReport(true))
    await report(player, ...reports)
    versions.push(...(await eventsOf(reports.map(({ unit }) => unit))).map(({ version }) => version))
  }
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
  expect(versions).toHaveLength(15)
})

test('a report is refused by itself where the experiment does not run, or would not give the unit this variant', async () => {
  const good = makeReport(true)
  const refused = [
    { ...good, variant: good.variant === 'on' ? 'off' : 'on' },
    { ...good, run: 1 },
    { ...good, experiment: 'paused' },
    { ...good, experiment: 'nothing' },
    makeReport(false),
  ]
  expect(await report(await world.signIn(), ...refused, good)).toEqual([...refused.map(() => 'refused'), 'recorded'])
  expect(await eventsOf([good, ...refused].map(({ unit }) => unit))).toHaveLength(1)
})

test('of reports of the same units by many at once, in any order and over two processes, each unit is told of once', async () => {
  const reports = Array.from({ length: 20 }, () => makeReport(true))
  const sessions = await makeSpareSessions(world, 40)
  const callOf = (at: number): CoreCall => {
    const { playerId, sessionId } = sessions.next()
    return {
      method: 'POST',
      path: '/v1/exposures',
      principal: { kind: 'player', playerId, sessionId, epoch: 0 },
      headers: { 'idempotency-key': randomUUID() },
      body: JSON.stringify({ exposures: at % 3 === 0 ? reports : reports.toReversed() }),
    }
  }
  /** As a client does that is told to come again. */
  const ask = async (call: CoreCall, at: number) => {
    for (;;) {
      const sent = await sentOf(await (at % 2 === 0 ? world.askCore(call) : second.ask(call)))
      if (sent.status !== 503) return sent
    }
  }
  const sent = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(callOf(at), at)))
  expect([...new Set(sent.map(({ status, text }) => (status === 200 ? 200 : text)))]).toEqual([200])
  const recorded = sent.flatMap(({ text }) => JSON.parse(text).results).filter(({ status }) => status === 'recorded')
  expect(recorded).toHaveLength(reports.length)
  const events = await eventsOf(reports.map(({ unit }) => unit))
  expect(events.map(({ data }) => data.unit).sort()).toEqual(reports.map(({ unit }) => unit).sort())
})

test('what an account has reported goes with it: to the other at a merge, and away at an erasure', async () => {
  const [mine, other] = [await world.signIn(), await world.signIn()]
  const known = makeReport(true)
  await report(other, known)
  await mine.client.mergeAccounts({ body: { refreshToken: other.refreshToken } })
  const owner = async () => (await world.sql`select player_id from exposures where unit = ${known.unit}`)[0]?.player_id
  await eventually(async () => (await owner()) === mine.playerId, 10_000)
  expect(await report(mine, known)).toEqual(['repeated'])
  await deleteByOperator(world, mine.playerId)
  expect(await owner()).toBe(undefined)
})

test('exposures are forgotten after ninety days, and who has joined a live event after four hundred', async () => {
  const player = await world.signIn()
  const known = makeReport(true)
  await report(player, known)
  await world.sql`insert into participations values (${player.playerId}, 'old.1', now())`
  const reapIn = (days: number) =>
    createReaper({
      db: world.database.db,
      log: createLog({ service: 'test' }, () => {}),
      clock: () => Date.now() + days * dayMs,
    }).runOnce()
  const kept = async () => [
    (await world.sql`select from exposures where unit = ${known.unit}`).length,
    (await world.sql`select from participations where player_id = ${player.playerId}`).length,
  ]
  await reapIn(89)
  expect(await kept()).toEqual([1, 1])
  await reapIn(91)
  expect(await kept()).toEqual([0, 1])
  await reapIn(401)
  expect(await kept()).toEqual([0, 0])
})
