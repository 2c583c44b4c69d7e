import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { insertEvents } from '#db/outbox.ts'
import { type Child, startChild, tail } from '#infra/local/process.ts'
import { eventually } from '#test/eventually.ts'
import { effectTables, subscribeEffects } from '#test/fault/effects.ts'
import { busName, openEventBus } from '#test/fault/event-bus.ts'
import { newRow, rest } from '#test/fault/new-row.ts'
import { consumerSteps, relaySteps, type Step } from '#test/fault/steps.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'

/** Each step once, and 200 deaths in all. */
const deaths = sized({ short: relaySteps.length + consumerSteps.length, long: 200 })
const aggregates = 100
const eventsAtOnceMax = 3
/** Some 50 transactions a second: always something to die with, and no more than two busy cores carry off. */
const writePauseMs = 20
/** One transaction in ten is undone: its events must not leave. */
const abortShare = 0.1
/** Beyond a relay's lease of 15 s: each new relay takes the last one's for over. */
const clockStepMs = 16_000
/** How often a relay of the long form gets past its step before it dies there. */
const passesMax = 20
/** A process starts within two seconds and has something to die with at once; the rest is for a busy machine. */
const deathMaxMs = 60_000
/** What the last relay that died left behind is carried off within seconds. */
const settledMaxMs = 60_000
/** About one second a death, and five where others keep the machine busy. */
const testMaxMs = sized({ short: 120_000, long: 1_800_000 })

let world: World
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perigee-fault-'))
  world = await startWorld({ bus: 'direct' })
  await world.platform.stop()
})
afterAll(async () => {
  await world?.stop()
  await rm(folder, { recursive: true, force: true })
})

test(
  'a relay killed at any step loses no event, and a consumer of facts acts once for each',
  async () => {
    await world.sql.unsafe(effectTables)
    const emulatorHost = await pubsubEmulatorHost()
    const random = createRandom()
    const bus = emulatorHost ? openEventBus({ prefix: world.prefix, emulatorHost }) : undefined
    if (bus) await subscribeEffects({ ...world, bus }, async () => {})
    const ofRelays = await untilEachHasDied(relaySteps, random, emulatorHost)
    await bus?.close()
    // Here the consumer dies with its relay: the emulator goes on handing messages to a subscriber that was killed.
    const ofConsumers = await untilEachHasDied(consumerSteps, random, null)

    const passedOver = await count('test_deliveries where not acted')
    const committed = [...ofRelays, ...ofConsumers]
    const effects = await world.sql<{ event_id: string; times: number }[]>`select event_id, times from test_effects`
    const missed = new Set(committed).difference(new Set(effects.map((effect) => effect.event_id)))
    expect([...missed], 'committed without an effect').toEqual([])
    expect(effects.length, 'nothing is done for what was undone').toBe(committed.length)
    expect(
      effects.filter(({ times }) => times !== 1),
      'acted on more than once',
    ).toEqual([])
    expect(passedOver, 'what the inbox had to pass over').toBeGreaterThan(0)
    tell('commit-publish', {
      'relays on': busName(emulatorHost),
      'consumers on': busName(null),
      deaths,
      committed: committed.length,
      missed: missed.size,
      'acted on twice': 0,
      'redeliveries that the inbox passed over': passedOver,
    })
  },
  testMaxMs,
)

/** Has one relay after the other die while events are committed, then lets one live; answers the ids of the events. */
const untilEachHasDied = async (
  steps: readonly Step[],
  random: () => number,
  emulatorHost: string | null,
): Promise<string[]> => {
  const writer = startWriter(random)
  const share = steps.length / (relaySteps.length + consumerSteps.length)
  for (let death = 0; death < Math.round(deaths * share); death++) {
    const step = steps[death % steps.length]
    const passes = death < steps.length ? 0 : Math.floor(random() * passesMax)
    const child = await startRelay(emulatorHost, { DIE_AT: step, DIE_AFTER_PASSES: String(passes) })
    const timer = setTimeout(() => void child.stop(), deathMaxMs)
    expect(await child.exited, `${step}${tail(child.logFile)}`).toEqual({ code: null, signal: 'SIGKILL' })
    clearTimeout(timer)
  }
  const lasting = await startRelay(emulatorHost, {})
  const committed = await writer.stop()
  try {
    await eventually(async () => (await count('outbox where published_at is null')) === 0, settledMaxMs)
    await eventually(async () => (await count(`test_effects`)) >= effectsBefore + committed.length, settledMaxMs)
  } finally {
    await lasting.stop()
  }
  effectsBefore += committed.length
  return committed
}

let effectsBefore = 0
let relays = 0

/** Starts `test/fault/relay-process.ts`, its clock a step ahead of the last one's. */
const startRelay = (
  emulatorHost: string | null,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<Child> =>
  startChild({
    name: 'relay',
    command: process.execPath,
    args: [fileURLToPath(new URL('../fault/relay-process.ts', import.meta.url))],
    logFile: join(folder, 'relay.log'),
    env: {
      ...process.env,
      CELL: cell,
      DATABASE_URL: world.databaseUrl,
      PREFIX: world.prefix,
      CLOCK_AHEAD_MS: String(++relays * clockStepMs),
      ...(emulatorHost ? { PUBSUB_EMULATOR_HOST: emulatorHost } : {}),
      ...settings,
    },
  })

/** Commits events until it is stopped; answers the ids of all that were committed. */
const startWriter = (random: () => number) => {
  const players = Array.from({ length: aggregates }, () => newId('player', cell, Date.now()))
  const committed: string[] = []
  let stopping = false
  let version = 0
  const write = async () => {
    while (!stopping) {
      const rows = Array.from({ length: 1 + Math.floor(random() * eventsAtOnceMax) }, () => {
        const playerId = players[version % aggregates] ?? newId('player', cell, 0)
        return newRow({ cell, playerId, version: ++version, nowMs: Date.now() })
      })
      const aborts = random() < abortShare
      await world.database.db
        .transaction(async (tx) => {
          await insertEvents(tx, rows)
          if (aborts) throw new Aborted()
        })
        .then(
          () => committed.push(...rows.map((row) => row.eventId)),
          (error: unknown) => {
            if (!(error instanceof Aborted)) throw error
          },
        )
      await rest(writePauseMs)
    }
  }
  const writing = write()
  return {
    stop: async () => {
      stopping = true
      await writing
      return committed
    },
  }
}

class Aborted extends Error {}

const count = async (what: string): Promise<number> => {
  const [row] = await world.sql.unsafe(`select count(*)::int as n from ${what}`)
  return Number(row?.n)
}
