import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import postgres from 'postgres'

/** Where and on what a run was made: figures of two machines cannot be compared. */
export type Machine = {
  readonly date: string
  readonly system: string
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  /** What else kept the machine busy, in the minute before. */
  readonly loadBefore: number
  readonly node: string
  readonly postgres: string
  readonly settings: Readonly<Record<string, string>>
}

/** The settings that decide what a commit costs. */
const settingNames = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_sync_method',
  'shared_buffers',
  'max_wal_size',
  'checkpoint_timeout',
  'autovacuum',
  'jit',
  'max_connections',
  'shared_preload_libraries',
]

/** Facts of this machine and of the Postgres at `serverUrl`. */
export const readMachine = async (serverUrl: string): Promise<Machine> => {
  const sql = postgres(serverUrl, { max: 1 })
  try {
    const rows = await sql<{ name: string; value: string }[]>`
      select name, current_setting(name) as value from pg_settings where name = any(${settingNames}) order by name`
    const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`
    return {
      date: new Date().toISOString(),
      system: `${type()} ${release()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryGb: Math.round(totalmem() / 2 ** 30),
      loadBefore: loadavg()[0] ?? 0,
      node: process.version,
      postgres: row?.version ?? 'unknown',
      settings: Object.fromEntries(rows.map(({ name, value }) => [name, value])),
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}
