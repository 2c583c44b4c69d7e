import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { type Cell, cellSchema } from '#contract/ids.ts'
import { createApiKey } from '#core/api-keys.ts'
import { createSecrets, type Secrets } from '#core/secrets.ts'
import { createSigningKey } from '#core/signing-keys.ts'
import { openDatabase } from '#db/client.ts'
import { migrateDatabase } from '#db/migrate.ts'
import { upsertCurrency } from '#db/wallet.ts'
import { checkout } from '#infra/local/local-folder.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { startChild, untilReady } from '#infra/local/process.ts'
import type { Cleanup } from './cleanup.ts'
import type { Address } from './connection.ts'
import { playersCount, prefill, priorGrants } from './prefill.ts'
import type { Credentials } from './scenarios.ts'

/** A core, as a process of its own. */
export type Core = { readonly address: Address; readonly pid: number; readonly logFile: string }

/** A Postgres that keeps what it says it keeps, filled, and what starts cores on it. */
export type Stage = {
  readonly databaseUrl: string
  /** The database `postgres` of the same server. */
  readonly serverUrl: string
  readonly postgresPid: number
  /** For files that go when the stage goes. */
  readonly folder: string
  /** Whom the grants of its server key are claimed under. */
  readonly principal: string
  readonly credentials: Credentials
  /** What an edge in front of it must be given. */
  readonly edge: EdgeSettings
  /** `variant` are settings beside those that every core has; `name` names its log. */
  startCore(name: string, variant: Readonly<Record<string, string>>): Promise<Core>
}

/** The keys by which cores and edges know each other, and what their access tokens name as their issuer. */
export type EdgeSettings = { readonly edgeKeys: string; readonly issuer: string; readonly publishableKey: string }

const issuer = 'http://127.0.0.1'
const cell: Cell = cellSchema.parse('eu1')
const readyMaxMs = 30_000
const probeMaxMs = 2_000
/**
 * Statements are counted, their planning is not. Checkpoints fall between runs and not into some phase by chance; all else is
 * as Postgres comes, and every commit waits for the disk.
 */
const settings = ['shared_preload_libraries=pg_stat_statements', 'max_wal_size=8GB', 'checkpoint_timeout=1h']

const newKeys = () => `k1:${randomBytes(32).toString('base64')}`

/** Starts and fills it. `report` hears of each step; `cleanup` gets everything that must be stopped or deleted. */
export const startStage = async (cleanup: Cleanup, report: (step: string) => void): Promise<Stage> => {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }))
  const dataFolder = join(folder, 'postgres')
  cleanup.add(() => removePostgresData(dataFolder))

  report('Postgres starts, with every commit on disk')
  const logFile = join(folder, 'postgres.log')
  const postgres = await startPostgres({ dataFolder, port: await freePort(), durable: true, logFile, settings })
  cleanup.add(() => postgres.stop())
  const databaseUrl = postgres.url(firstDatabase)
  await migrateDatabase(databaseUrl)
  const masterKeys = newKeys()
  const edgeKeys = newKeys()
  const secrets = createSecrets(parseNamedKeys(masterKeys))
  const { principal, publishableKey, ...keys } = await declare(databaseUrl, secrets)
  report(`${playersCount} players and ${priorGrants} grants are made`)
  await prefill(databaseUrl, principal)

  const startCore: Stage['startCore'] = async (name, variant) => {
    const port = await freePort()
    const coreLogFile = join(folder, `${name}.log`)
    const child = await startChild({
      name,
      command: process.execPath,
      args: ['core/main.ts'],
      folder: checkout,
      // Nothing of our own environment: a Redis that it names would be measured too.
      env: {
        PATH: process.env.PATH,
        CELL: cell,
        ROLE: 'api',
        EVENT_BUS: 'direct',
        PORT: String(port),
        DATABASE_URL: databaseUrl,
        MASTER_KEYS: masterKeys,
        EDGE_KEYS: edgeKeys,
        ISSUER: issuer,
        UPSTASH_URL: 'http://127.0.0.1',
        UPSTASH_TOKEN: 'unused',
        // What is measured is how fast it is, and a core that refuses is faster.
        CONCURRENCY_MIN: '1000',
        ...variant,
      },
      logFile: coreLogFile,
    })
    cleanup.add(() => child.stop())
    await untilReady(child, readyMaxMs, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(probeMaxMs) })
      return response.status === 200
    })
    return { address: { host: '127.0.0.1', port }, pid: child.pid, logFile: coreLogFile }
  }
  return {
    databaseUrl,
    serverUrl: postgres.url('postgres'),
    postgresPid: postgres.pid,
    folder,
    principal,
    credentials: { cell, edgeKey: parseNamedKeys(edgeKeys)[0], secrets, ...keys },
    edge: { edgeKeys, issuer, publishableKey },
    startCore,
  }
}

/** What a deployment's commands make: keys and currencies. */
const declare = async (
  url: string,
  secrets: Secrets,
): Promise<{ principal: string; serverKey: string; publishableKeyId: string; publishableKey: string }> => {
  const database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'perigee-bench' })
  try {
    const { db } = database
    const now = new Date()
    await createSigningKey(db, { secrets, cell, now })
    const common = { name: 'bench', origins: [], role: undefined, cell, now }
    const server = await createApiKey(db, { ...common, kind: 'server', scopes: ['*'] })
    const publishable = await createApiKey(db, { ...common, kind: 'publishable', scopes: [] })
    await upsertCurrency(db, { code: 'coins', cap: 1_000_000_000, now })
    await upsertCurrency(db, { code: 'gems', cap: 1_000_000, now })
    return {
      principal: `key:${server.keyId}`,
      serverKey: server.key,
      publishableKeyId: publishable.keyId,
      publishableKey: publishable.key,
    }
  } finally {
    await database.close(1_000)
  }
}
