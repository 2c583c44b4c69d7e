import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { databaseErrorCode } from './errors.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))

/** Any number, as long as every release uses the same: whoever holds it migrates, the others wait. */
const migrationLock = 7_305_211
/** A migration that waits for a table's lock makes every later query wait behind it, so it gives up soon and tries again. */
const lockTimeoutMs = 2_000
const attemptsMax = 30
const pauseMs = 1_000

/**
 * Brings a database to the newest schema; forward only. Safe to run twice and by two at once: a second runner waits for the
 * first and finds nothing to do. All of a run's migrations commit together or not at all.
 *
 * @param url a role that may create tables
 * @throws the server's error when it cannot be reached or a migration does not apply
 */
export const migrateDatabase = async (url: string): Promise<void> => {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: 'perigee-migrate' } })
  try {
    await sql`select pg_advisory_lock(${migrationLock})`
    await sql.unsafe(`set lock_timeout = ${lockTimeoutMs}`)
    await untilLocked(() => migrate(drizzle(sql), { migrationsFolder }))
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const untilLocked = async (run: () => Promise<void>) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const lockNotAvailable = databaseErrorCode(error) === '55P03'
      if (!lockNotAvailable || attempt === attemptsMax) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

if (import.meta.main) {
  const url = process.env.DATABASE_URL
  if (!url) {
    console.error('DATABASE_URL is missing: the Postgres to migrate, postgres://user:password@host:port/database')
    process.exit(1)
  }
  await migrateDatabase(url)
  console.log('the schema is up to date')
}
