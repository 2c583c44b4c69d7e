import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrateDatabase } from '#db/migrate.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, type Postgres, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { type HangingProxy, startHangingProxy } from './hanging-proxy.ts'

/** A Postgres of a test's own that keeps what it acknowledges, and a network before it that can swallow everything. */
export type PostgresBehindProxy = {
  /** The migrated database, directly. */
  readonly url: string
  /** The same through the proxy. */
  readonly proxiedUrl: string
  readonly proxy: HangingProxy
  /** Ends the server as a crash does. */
  kill(): Promise<void>
  /** Starts it again, on the same data and port. */
  restart(): Promise<void>
  /** What it has logged since it was started last. */
  readonly logFile: string
  stop(): Promise<void>
}

/** @param settings further settings of the server, `name=value` */
export const startPostgresBehindProxy = async (settings: readonly string[] = []): Promise<PostgresBehindProxy> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-own-postgres-'))
  const dataFolder = join(folder, 'postgres')
  const logFile = join(folder, 'postgres.log')
  const port = await freePort()
  const start = (): Promise<Postgres> => startPostgres({ dataFolder, port, durable: true, logFile, settings })
  let server = await start()
  const proxy = await startHangingProxy(port)
  const url = server.url(firstDatabase)
  await migrateDatabase(url)
  return {
    url,
    proxiedUrl: url.replace(`:${port}/`, `:${proxy.port}/`),
    proxy,
    logFile,
    kill: async () => {
      server.kill()
      await server.exited
    },
    restart: async () => {
      server = await start()
    },
    stop: async () => {
      await proxy.close()
      await server.stop()
      removePostgresData(dataFolder)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
