import { upsertCurrency } from '#db/wallet.ts'
import type { World } from './harness.ts'
import { examples, publishDocument } from './published.ts'

const longFest = examples['live-events'].events['long-fest']
const like = (title: string, difference: object = {}) => ({ ...longFest, title, ...difference })

/** Beside the example events that give something, one for each reason to give nothing. */
const events = {
  ...examples['live-events'].events,
  over: like('Over', { schedule: { start: '2020-01-01T00:00:00.000Z', end: '2020-01-02T00:00:00.000Z' } }),
  'to-join': like('To join', { requiresJoin: true }),
  'without-reward': like('Without reward', { rewards: [] }),
  'too-much': like('Too much', { rewards: [{ currency: 'gems', amount: 1_000_001 }] }),
  'gone-currency': like('A currency that is gone', { rewards: [{ currency: 'shillings', amount: 1 }] }),
}

/** Publishes them, in a world where the examples are published, and takes the currency of one away after that. */
export const publishClosedEvents = async (world: Pick<World, 'database' | 'clock' | 'sql'>): Promise<void> => {
  await upsertCurrency(world.database.db, { code: 'shillings', cap: 1, now: new Date(world.clock()) })
  await publishDocument(world, 'live-events', { events })
  await world.sql`delete from currencies where code = 'shillings'`
}
