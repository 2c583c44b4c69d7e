import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { createRelay } from '#core/relay.ts'
import { type Database, openDatabase } from '#db/client.ts'
import { insertEvents } from '#db/outbox.ts'
import type { EventBus } from '#infra/event-bus.ts'
import { createLog } from '#infra/log.ts'
import { eventually } from '#test/eventually.ts'
import { newRow, rest } from '#test/fault/new-row.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'

const rowsMax = sized({ short: 4_000, long: 100_000 })
const writers = 32
const relays = 3
const rowsOfTransaction = 5
/** Between the insert and the commit, at the most: what a busy verb has left to do. */
const stallMaxMs = 20
const abortShare = 0.1
const cursorPageMax = 500
const settledMaxMs = sized({ short: 60_000, long: 600_000 })

let world: World
let writing: Database
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  await world.platform.stop()
  const limits = { poolMax: writers, statementTimeoutMs: 30_000, applicationName: 'writers' }
  writing = openDatabase({ url: world.databaseUrl, ...limits })
})
afterAll(async () => {
  await writing?.close(0)
  await world?.stop()
})

test(
  'no event is passed over that commits late, where a cursor over the same rows passes over some',
  async () => {
    await world.sql`alter table outbox add column inserted_as bigserial`
    const cursor = startCursor()
    const late = startLateTransaction()
    const published = new Map<string, number>()
    const bus = recordingBus(published, async (ids) => {
      // Between the list and the mark: what is committed here and is older than the batch was not in the list.
      if (!ids.includes(late.newer.eventId)) return
      await eventually(async () => cursor.seen.has(late.newer.eventId), settledMaxMs)
      await late.commit()
    })
    const loops = Array.from({ length: relays }, () =>
      createRelay({
        db: world.database.db,
        bus,
        cell,
        log: createLog({ service: 'relay' }, () => {}),
        clock: Date.now,
        raise: async () => {},
      }),
    )
    await late.inserted
    for (const loop of loops) loop.start()

    const committed = [late.older.eventId, late.newer.eventId, ...(await commitRows())]
    await late.committed
    const unpublished = async () =>
      Number((await world.sql`select count(*) as n from outbox where published_at is null`)[0]?.n)
    await eventually(async () => (await unpublished()) === 0, settledMaxMs)
    for (const loop of loops) await loop.stop()
    await cursor.stop()

    const missed = committed.filter((eventId) => !published.has(eventId))
    expect(missed, 'committed and never published').toEqual([])
    expect(published.size, 'nothing leaves that was undone').toBe(committed.length)
    const passedOver = committed.filter((eventId) => !cursor.seen.has(eventId))
    expect(passedOver, 'what a cursor passes over').toContain(late.older.eventId)
    tell('outbox-gap', {
      bus: 'a recording one',
      writers,
      committed: committed.length,
      missed: missed.length,
      'published more than once': [...published.values()].filter((times) => times > 1).length,
      'missed by a cursor': passedOver.length,
      'share missed by a cursor': `${((100 * passedOver.length) / committed.length).toFixed(2)} %`,
    })
  },
  2 * settledMaxMs,
)

/** A bus that takes everything and counts it. */
const recordingBus = (
  published: Map<string, number>,
  beforeTaking: (eventIds: readonly string[]) => Promise<void>,
): EventBus => ({
  publish: async (messages) => {
    const eventIds = messages.map(({ attributes }) => attributes['ce-id'] ?? '')
    await beforeTaking(eventIds)
    for (const eventId of eventIds) published.set(eventId, (published.get(eventId) ?? 0) + 1)
    return messages.map(() => true)
  },
  subscribe: async () => {},
  unsubscribe: async () => {},
  bury: async () => {},
  ping: async () => {},
  close: async () => {},
})

/** What a relay would be that remembers the last row that it saw: `inserted_as > last`. */
const startCursor = () => {
  const seen = new Set<string>()
  let stopping = false
  const read = async () => {
    for (let last = 0; ; ) {
      const rows = await world.sql<{ event_id: string; inserted_as: string }[]>`
        select event_id, inserted_as from outbox where inserted_as > ${last} order by inserted_as limit ${cursorPageMax}`
      for (const row of rows) seen.add(row.event_id)
      last = Number(rows.at(-1)?.inserted_as ?? last)
      if (rows.length > 0) continue
      if (stopping) return
      await rest(2)
    }
  }
  const reading = read()
  return {
    seen,
    stop: async () => {
      stopping = true
      await reading
    },
  }
}

/** Two events of one player: the older one's transaction stays open until it is told to commit, the newer one's is done. */
const startLateTransaction = () => {
  const playerId = newId('player', cell, Date.now())
  const nowMs = Date.now()
  const older = newRow({ cell, playerId, version: 1, nowMs: nowMs - 1 })
  const newer = newRow({ cell, playerId, version: 2, nowMs })
  const open = Promise.withResolvers<void>()
  const inserted = Promise.withResolvers<void>()
  const committed = world.database.db.transaction(async (tx) => {
    await insertEvents(tx, [older])
    await world.database.db.transaction((other) => insertEvents(other, [newer]))
    inserted.resolve()
    await open.promise
  })
  const commit = () => {
    open.resolve()
    return committed
  }
  return { older, newer, inserted: inserted.promise, committed, commit }
}

/** Has 32 writers commit the rows, with stalls, and undo some; answers the ids of all that were committed. */
const commitRows = async (): Promise<string[]> => {
  const random = createRandom()
  const committed: string[] = []
  let left = rowsMax
  const write = async () => {
    while (left > 0) {
      left -= rowsOfTransaction
      const aborts = random() < abortShare
      const stallMs = random() * stallMaxMs
      const playerId = newId('player', cell, Date.now())
      const rows = Array.from({ length: rowsOfTransaction }, (_, version) =>
        newRow({ cell, playerId, version, nowMs: Date.now() }),
      )
      if (aborts) left += rowsOfTransaction
      await writing.db
        .transaction(async (tx) => {
          await insertEvents(tx, rows)
          await tx.execute(sql`select pg_sleep(${stallMs / 1_000})`)
          if (aborts) throw new Aborted()
          committed.push(...rows.map((row) => row.eventId))
        })
        .catch((error: unknown) => {
          if (!(error instanceof Aborted)) throw error
        })
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return committed
}

class Aborted extends Error {}
