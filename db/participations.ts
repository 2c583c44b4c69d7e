import { sql } from 'drizzle-orm'
import { check, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { PlayerId } from '#contract/ids.ts'
import { id, moment } from './columns.ts'

/** Which runs of live events a player has joined. A row is made once and stays as it is. */
export const participations = pgTable(
  'participations',
  {
    playerId: id<PlayerId>('player_id').notNull(),
    runId: text('run_id').notNull(),
    joinedAt: moment('joined_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.playerId, table.runId] }),
    index('participations_joined_at').on(table.joinedAt),
    check('participations_run_id', sql`char_length(${table.runId}) <= 81`),
  ],
)

export type ParticipationRow = typeof participations.$inferSelect
