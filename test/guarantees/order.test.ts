import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { consumeState } from '#core/consumer.ts'
import { createRelay } from '#core/relay.ts'
import { insertEvents } from '#db/outbox.ts'
import type { BusMessage, EventBus } from '#infra/event-bus.ts'
import { createLog } from '#infra/log.ts'
import { eventually } from '#test/eventually.ts'
import { busName, openEventBus } from '#test/fault/event-bus.ts'
import { newRow, rest } from '#test/fault/new-row.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'

const aggregates = sized({ short: 40, long: 500 })
const versions = sized({ short: 25, long: 60 })
const relays = 3
/** Of ten messages the bus refuses two and takes one without saying so. */
const refusedShare = 0.2
const takenInSilenceShare = 0.1
/** Refused before the consumer saw it, and after it had committed. */
const refusedByConsumerShare = 0.05
const handlingMaxMs = 20
const settledMaxMs = sized({ short: 60_000, long: 600_000 })

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  await world.platform.stop()
  await world.sql`create table test_states (aggregate text primary key, version bigint not null, regressions int not null)`
})
afterAll(() => world?.stop())

test(
  'a consumer of state never goes back, whatever is redelivered or overtakes',
  async () => {
    const random = createRandom()
    const emulatorHost = await pubsubEmulatorHost()
    const delivered: Delivery[] = []
    const bus = openEventBus({ prefix: world.prefix, emulatorHost })
    await subscribeStates(bus, random, delivered)
    const turns = startTurns(unsteady(bus, random))
    const last = await commitVersions()

    const isDelivered = () => new Set(delivered.map(keyOf)).size === aggregates * versions
    const isEmpty = async () => (await world.sql`select from outbox where published_at is null limit 1`).length === 0
    try {
      await eventually(async () => isDelivered() && (await isEmpty()), settledMaxMs)
    } finally {
      await turns.stop()
      await bus.close()
    }
    const [states] = await world.sql`select sum(regressions)::int as regressions from test_states`
    const { regressions, duplicates } = disorderOf(delivered)
    expect(states?.regressions, 'versions that the state went back').toBe(0)
    const rows = await world.sql<Delivery[]>`select aggregate, version::int from test_states`
    expect(new Map(rows.map(({ aggregate, version }) => [aggregate, version])), 'the highest versions').toEqual(last)
    expect(regressions, 'what the gate had to stop').toBeGreaterThan(0)
    expect(duplicates, 'what the gate had to pass over').toBeGreaterThan(0)
    tell('order', {
      bus: busName(emulatorHost),
      relays,
      events: aggregates * versions,
      deliveries: delivered.length,
      'delivered behind a newer one': regressions,
      'delivered again': duplicates,
      'regressions of the state': Number(states?.regressions),
    })
  },
  2 * settledMaxMs,
)

type Delivery = { readonly aggregate: string; readonly version: number }

const keyOf = ({ aggregate, version }: Delivery) => `${aggregate} ${version}`

/** Deliveries that came behind a higher version of their aggregate, and such as came again. */
const disorderOf = (delivered: readonly Delivery[]) => {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  let regressions = 0
  let duplicates = 0
  for (const delivery of delivered) {
    const { aggregate, version } = delivery
    const before = highest.get(aggregate) ?? -1
    if (seen.has(keyOf(delivery))) duplicates++
    else if (version < before) regressions++
    seen.add(keyOf(delivery))
    highest.set(aggregate, Math.max(before, version))
  }
  return { regressions, duplicates }
}

/** A bus that refuses, that takes without saying so, and that lets messages of one key overtake each other, as a redelivery does. */
const unsteady = (bus: EventBus, random: () => number): EventBus => ({
  ...bus,
  publish: async (messages) => {
    const fates = messages.map(() => random())
    const offered = messages.filter((_, at) => (fates[at] ?? 0) >= refusedShare)
    const taken = await bus.publish(offered.map((message): BusMessage => ({ ...message, orderingKey: '' })))
    const isTaken = new Map(offered.map((message, at) => [message, taken[at] ?? false]))
    return messages.map(
      (message, at) => (isTaken.get(message) ?? false) && (fates[at] ?? 0) >= refusedShare + takenInSilenceShare,
    )
  },
})

/** A consumer that keeps each aggregate's version in a table and counts there when it went back or stood still. */
const subscribeStates = async (bus: EventBus, random: () => number, delivered: Delivery[]): Promise<void> => {
  const consumer = consumeState({
    name: 'states',
    types: ['perigee.player.updated.v1'],
    database: world.database,
    clock: world.clock,
    apply: async (tx, { aggregate, version }) => {
      await tx.execute(sql`
        insert into test_states (aggregate, version, regressions) values (${aggregate}, ${version}, 0)
        on conflict (aggregate) do update set version = excluded.version,
          regressions = test_states.regressions + (excluded.version <= test_states.version)::int`)
    },
  })
  const refuseAtRandom = () => {
    if (random() < refusedByConsumerShare) throw new Error('refused at random')
  }
  await bus.subscribe({
    topic: 'events',
    name: `${world.prefix}-${consumer.name}`,
    available: consumer.available,
    handle: async (message) => {
      await rest(random() * handlingMaxMs)
      refuseAtRandom()
      await consumer.handle(message)
      delivered.push({ aggregate: subjectOf(message), version: versionOf(message) })
      refuseAtRandom()
    },
  })
}

const subjectOf = ({ attributes }: BusMessage) => attributes['ce-subject'] ?? ''
const versionOf = ({ attributes }: BusMessage) => Number(attributes['ce-aggregateversion'])

/** Three relays that take turn after turn, without the pause that a refusal would earn them. */
const startTurns = (bus: EventBus) => {
  const { database, clock } = world
  const log = createLog({ service: 'relay' }, () => {})
  let stopping = false
  const run = async () => {
    const relay = createRelay({ db: database.db, bus, cell, log, clock, raise: async () => {} })
    while (!stopping) {
      const { published, failed } = await relay.runOnce()
      if (published + failed === 0) await rest(5)
    }
    await relay.stop()
  }
  const running = Promise.all(Array.from({ length: relays }, run))
  return {
    stop: async () => {
      stopping = true
      await running
    },
  }
}

/** Commits every aggregate's versions, one a round; answers the last of each. */
const commitVersions = async (): Promise<Map<string, number>> => {
  const players = Array.from({ length: aggregates }, () => newId('player', cell, Date.now()))
  const last = new Map<string, number>()
  for (let version = 1; version <= versions; version++) {
    const rows = players.map((playerId) => newRow({ cell, playerId, version, nowMs: Date.now() }))
    await world.database.db.transaction((tx) => insertEvents(tx, rows))
    for (const { aggregate } of rows) last.set(aggregate, version)
  }
  return last
}
