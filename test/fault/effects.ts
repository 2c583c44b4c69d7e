import { sql } from 'drizzle-orm'
import { type Consumer, consumeFacts } from '#core/consumer.ts'
import type { Database } from '#db/client.ts'
import type { EventBus } from '#infra/event-bus.ts'
import type { Pass } from './steps.ts'

/** What the consumer does for each event, and each delivery that it came through alive. */
export const effectTables = `
  create table test_effects (event_id text primary key, times int not null);
  create table test_deliveries (event_id text not null, acted boolean not null)`

/** A consumer of facts whose effect can be counted, with its steps in between. */
export const subscribeEffects = async (
  parts: { readonly database: Database; readonly bus: EventBus; readonly prefix: string },
  pass: Pass,
): Promise<void> => {
  const { database, bus, prefix } = parts
  const acted = new Set<string>()
  const consumer: Consumer = consumeFacts({
    name: 'effects',
    types: ['perigee.player.updated.v1'],
    database,
    clock: Date.now,
    apply: async (tx, { eventId }) => {
      await pass('before the effect')
      await tx.execute(sql`
        insert into test_effects (event_id, times) values (${eventId}, 1)
        on conflict (event_id) do update set times = test_effects.times + 1`)
      acted.add(eventId)
      await pass('after the effect')
    },
  })
  await bus.subscribe({
    topic: 'events',
    name: `${prefix}-${consumer.name}`,
    available: consumer.available,
    handle: async (message) => {
      await consumer.handle(message)
      const eventId = message.attributes['ce-id'] ?? ''
      await pass('committed, not acknowledged')
      await database.db.execute(sql`
        insert into test_deliveries (event_id, acted) values (${eventId}, ${acted.delete(eventId)})`)
    },
  })
}
