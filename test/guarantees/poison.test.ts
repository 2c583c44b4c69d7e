import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { isFor, toMessage } from '#core/cloud-event.ts'
import { type Consumer, consumeFacts } from '#core/consumer.ts'
import { createDeadLetterConsumer, redrive } from '#core/dead-letters.ts'
import { createRelay } from '#core/relay.ts'
import { type DeadLetterRow, fileDeadLetter, listWaitingDeadLetters } from '#db/dead-letters.ts'
import { insertEvents } from '#db/outbox.ts'
import { deliveriesMax } from '#infra/deliver.ts'
import type { EventBus, Subscriber } from '#infra/event-bus.ts'
import { createLog } from '#infra/log.ts'
import { eventually } from '#test/eventually.ts'
import { busName, openEventBus } from '#test/fault/event-bus.ts'
import { newRow, rest } from '#test/fault/new-row.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'

const events = sized({ short: 2_000, long: 50_000 })
const calmEvents = sized({ short: 400, long: 5_000 })
const poisonShare = 0.01
const eventsOfAggregate = 4
/** 250 events a second: what a busy cell emits, and what two cores carry that also run the emulator. */
const eventsOfBatch = 20
const batchPauseMs = 80
const healthyLagMaxMs = 5_000
const awayMs = sized({ short: 2_000, long: 60_000 })
/** Ten deliveries with pauses that double from 100 ms take half a minute where they are kept. */
const settledMaxMs = sized({ short: 90_000, long: 600_000 })

let world: World
let stand: Stand
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  await world.platform.stop()
  stand = await startStand()
})
afterAll(async () => {
  await stand?.stop()
  await world?.stop()
})

test(
  'poison is buried after ten deliveries and delays nobody else, and once redriven is handled once',
  async () => {
    const random = createRandom()
    const calm = await commitEvents(calmEvents)
    await stand.untilHandled(calm)

    const all = await commitEvents(events, (eventId) => {
      if (random() < poisonShare) stand.poison.add(eventId)
    })
    const healthy = all.filter((event) => !stand.poison.has(event.eventId))
    const poisoned = new Set(all.filter((event) => stand.poison.has(event.eventId)).map((event) => event.aggregate))
    const behind = healthy.filter((event) => poisoned.has(event.aggregate))
    const apart = healthy.filter((event) => !poisoned.has(event.aggregate))
    await stand.untilHandled(healthy)
    expect(stand.poison.size).toBeGreaterThan(0)
    expect(quantile(apart, 0.99), 'the lag of healthy events').toBeLessThanOrEqual(healthyLagMaxMs)

    await eventually(async () => (await waitingLetters()).length >= stand.poison.size, settledMaxMs)
    const letters = await waitingLetters()
    expect(letters.map((letter) => letter.eventId).toSorted()).toEqual([...stand.poison].toSorted())
    for (const { attempts, reason } of letters)
      expect({ attempts, reason }).toEqual({ attempts: deliveriesMax, reason: 'Error: poisoned' })

    const buried = [...stand.poison]
    stand.poison.clear()
    for (const letter of letters) await redriveOften(letter)
    await eventually(async () => buried.every((eventId) => stand.timesOf(eventId) > 0), settledMaxMs)
    await untilOutboxIsEmpty()
    expect([...calm, ...all].filter((event) => stand.timesOf(event.eventId) !== 1)).toEqual([])
    expect(await waitingLetters()).toEqual([])
    tell('poison', {
      bus: busName(await pubsubEmulatorHost()),
      events,
      poison: buried.length,
      'dead letters': letters.length,
      'attempts of each': deliveriesMax,
      'handled once after the redrive': buried.length,
      'p99 from publish to effect without poison, ms': quantile(calm, 0.99),
      'p99 of healthy aggregates beside poison, ms': quantile(apart, 0.99),
      'behind poison in one aggregate': behind.length,
      'the longest of these, ms': quantile(behind, 1),
    })
  },
  3 * settledMaxMs,
)

test('a letter that is redriven twice at once, and once more, is sent once', async () => {
  const playerId = newId('player', cell, Date.now())
  const event = { ...newRow({ cell, playerId, version: 1, nowMs: Date.now() }), redrivenFor: null }
  const { attributes, data } = toMessage(`/cells/${cell}`, event)
  const subscription = `${world.prefix}-${cell}-facts`
  const letter = { subscription, eventId: event.eventId, attributes, data, reason: 'Error: poisoned', attempts: 10 }
  await fileDeadLetter(world.database.db, { ...letter, filedAt: new Date() })
  await redriveOften({ ...letter, filedAt: new Date(), redrivenAt: null })
  await stand.untilHandled([event])
  await untilOutboxIsEmpty()
  expect(stand.timesOf(event.eventId)).toBe(1)
})

test(
  'while what a consumer works on is away nothing counts against an event, and all are handled after',
  async () => {
    stand.away = true
    const refusalsBefore = stand.refusals()
    const committing = commitEvents(calmEvents)
    await rest(awayMs)
    const committed = await committing
    expect(stand.refusals() - refusalsBefore, 'refusals that counted').toBe(0)
    expect(committed.filter((event) => stand.timesOf(event.eventId) > 0)).toEqual([])
    stand.away = false
    const tookMs = await stand.untilHandled(committed)
    expect(await waitingLetters(), 'an outage makes no dead letters').toEqual([])
    expect(committed.filter((event) => stand.timesOf(event.eventId) !== 1)).toEqual([])
    tell('poison, outage', { 'away for ms': awayMs, events: committed.length, 'handled after ms': Math.round(tookMs) })
  },
  2 * settledMaxMs,
)

type Committed = { readonly eventId: string; readonly aggregate: string }

/** What a letter's operator may do by mistake: twice at once, and once more. */
const redriveOften = async (letter: DeadLetterRow) => {
  const send = () => redrive(world.database, letter, new Date(world.clock()))
  const sent = [...(await Promise.all([send(), send()])), await send()]
  expect(sent.filter(Boolean), 'sends of one letter').toHaveLength(1)
}

const waitingLetters = () =>
  listWaitingDeadLetters(world.database.db, { of: {}, after: undefined, limit: events + calmEvents })

const untilOutboxIsEmpty = () =>
  eventually(
    async () => (await world.sql`select from outbox where published_at is null limit 1`).length === 0,
    settledMaxMs,
  )

/** Commits events of many aggregates at an even pace. `choose` hears of each before it can leave. */
const commitEvents = async (count: number, choose: (eventId: string) => void = () => {}): Promise<Committed[]> => {
  const committed: Committed[] = []
  let playerId = newId('player', cell, Date.now())
  while (committed.length < count) {
    const rows = Array.from({ length: Math.min(eventsOfBatch, count - committed.length) }, (_, at) => {
      if (at % eventsOfAggregate === 0) playerId = newId('player', cell, Date.now())
      return newRow({ cell, playerId, version: at, nowMs: Date.now() })
    })
    for (const { eventId } of rows) choose(eventId)
    await world.database.db.transaction((tx) => insertEvents(tx, rows))
    committed.push(...rows)
    await rest(batchPauseMs)
  }
  return committed
}

/** Milliseconds from publish to effect. */
const quantile = (of: readonly Committed[], share: number): number => {
  const lags = of.map(({ eventId }) => stand.lagOf(eventId)).toSorted((a, b) => a - b)
  return Math.round(lags[Math.min(lags.length - 1, Math.floor(share * lags.length))] ?? 0)
}

type Stand = {
  /** Ids of events that the consumer cannot take, until it is mended. */
  readonly poison: Set<string>
  away: boolean
  /** How often an event had its effect. */
  timesOf(eventId: string): number
  lagOf(eventId: string): number
  /** Refusals that counted against a message. */
  refusals(): number
  untilHandled(committed: readonly Committed[]): Promise<number>
  stop(): Promise<void>
}

/** A relay, a consumer of facts and the consumer of dead letters, put together as `createPlatform` does. */
const startStand = async (): Promise<Stand> => {
  const { database, clock } = world
  const prefix = `${world.prefix}-${cell}-`
  const publishedAt = new Map<string, number>()
  const effectAt = new Map<string, number>()
  const times = new Map<string, number>()
  let refusals = 0
  const onRefused = () => {
    refusals++
  }
  const bus = openEventBus({ prefix: world.prefix, emulatorHost: await pubsubEmulatorHost(), onRefused })
  const timed: EventBus = {
    ...bus,
    publish: (messages) => {
      for (const { attributes } of messages) {
        const eventId = attributes['ce-id'] ?? ''
        publishedAt.set(eventId, publishedAt.get(eventId) ?? performance.now())
      }
      return bus.publish(messages)
    },
  }
  const consumer = consumeFacts({
    name: 'facts',
    types: ['perigee.player.updated.v1'],
    database,
    clock,
    apply: async (_tx, { eventId }) => {
      if (self.poison.has(eventId)) throw new Error('poisoned')
      times.set(eventId, (times.get(eventId) ?? 0) + 1)
    },
  })
  const failWhileAway = () => {
    if (self.away) throw new Error('the database is away')
  }
  const subscriber: Subscriber = {
    topic: 'events',
    name: prefix + consumer.name,
    available: async () => {
      failWhileAway()
      await consumer.available()
    },
    handle: async (message) => {
      failWhileAway()
      if (!isFor(message, subscriber.name)) return
      await consumer.handle(message)
      effectAt.set(message.attributes['ce-id'] ?? '', performance.now())
    },
  }
  const letters: Consumer = createDeadLetterConsumer({ database, prefix, clock })
  await bus.subscribe(subscriber)
  await bus.subscribe({ ...letters, name: prefix + letters.name, topic: 'dead-letters' })
  const log = createLog({ service: 'relay' }, () => {})
  const relay = createRelay({ db: database.db, bus: timed, cell, log, clock, raise: async () => {} })
  relay.start()

  const self: Stand = {
    poison: new Set(),
    away: false,
    timesOf: (eventId) => times.get(eventId) ?? 0,
    lagOf: (eventId) => (effectAt.get(eventId) ?? Number.POSITIVE_INFINITY) - (publishedAt.get(eventId) ?? 0),
    refusals: () => refusals,
    untilHandled: (committed) =>
      eventually(async () => committed.every(({ eventId }) => effectAt.has(eventId)), settledMaxMs),
    stop: async () => {
      await relay.stop()
      await bus.close()
    },
  }
  return self
}
