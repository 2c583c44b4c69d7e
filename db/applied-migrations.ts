import { sql } from 'drizzle-orm'
import type { Db } from './client.ts'
import { databaseErrorCode } from './errors.ts'
import journal from './migrations/meta/_journal.json' with { type: 'json' }

/** What Postgres says where the table of the migrations, or its schema, is not there: nothing was ever migrated. */
const absent = new Set(['42P01', '3F000'])

/**
 * The migrations that this release needs and the database does not have, by name, the oldest first; none where it has them all. What a
 * later release has added is no fault: migrations are additive, and the old code runs on the new schema. Reads the table of the
 * migrations whole: it has a row a migration.
 * @throws the server's error when it does not answer, or does not let us read that table
 */
export const listMissingMigrations = async (db: Db): Promise<string[]> => {
  const applied = await readApplied(db)
  return journal.entries.filter(({ when }) => !applied.has(when)).map(({ tag }) => tag)
}

/** By when each was generated, which is what the migrator goes by. */
const readApplied = async (db: Db): Promise<ReadonlySet<number>> => {
  try {
    const rows = await db.execute<{ created_at: number | string }>(
      sql`select created_at from drizzle.__drizzle_migrations`,
    )
    return new Set(rows.map((row) => Number(row.created_at)))
  } catch (error) {
    if (absent.has(databaseErrorCode(error) ?? '')) return new Set()
    throw error
  }
}
