import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import { id, moment } from './columns.ts'

/** Which units have seen a variant in a run of an experiment: the first report of each is told, and no other. */
export const exposures = pgTable(
  'exposures',
  {
    experiment: text('experiment').notNull(),
    run: integer('run').notNull(),
    unit: text('unit').notNull(),
    variant: text('variant').notNull(),
    /** Who reported it: with them it goes. */
    playerId: id<PlayerId>('player_id').notNull(),
    exposedAt: moment('exposed_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.experiment, table.run, table.unit] }),
    index('exposures_player').on(table.playerId),
    index('exposures_exposed_at').on(table.exposedAt),
    check('exposures_unit', sql`char_length(${table.unit}) between 1 and 256`),
  ],
)

export type ExposureRow = typeof exposures.$inferSelect
