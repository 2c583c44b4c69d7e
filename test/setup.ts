import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { migrateDatabase } from '#db/migrate.ts'
import { bundleEdge, type EdgeBundle } from '#infra/local/edge-bundle.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { findPubSubEmulator, startPubSubEmulator } from '#infra/local/pubsub.ts'
import { findRedis, startRedis } from '#infra/local/redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server, and the migrated database that each test file clones. */
    postgres: { serverUrl: string; template: string }
    /** Null where there is none: what needs it then runs in its no-Redis mode. */
    redisUrl: string | null
    /** Null where there is none: the relay then hands events to the consumers. */
    pubsubEmulatorHost: string | null
    edgeBundle: EdgeBundle & { folder: string }
  }
}

const project = fileURLToPath(new URL('..', import.meta.url))

/** Starts what all test files share, once; says what it is; stops it at the end. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-test-'))
  const logFile = (name: string) => join(folder, `${name}.log`)
  const dataFolder = join(folder, 'postgres')
  const bundleFolder = join(folder, 'edge')
  const redisBinary = findRedis()
  const emulator = findPubSubEmulator()

  const [postgres, redis, pubsub, bundle] = await Promise.all([
    freePort().then((port) => startPostgres({ dataFolder, port, durable: false, logFile: logFile('postgres') })),
    redisBinary
      ? freePort().then((port) => startRedis({ binary: redisBinary, port, folder, logFile: logFile('redis') }))
      : undefined,
    emulator
      ? freePort().then((port) => startPubSubEmulator({ found: emulator, port, logFile: logFile('pubsub') }))
      : undefined,
    bundleEdge({ project, folder: bundleFolder, logFile: logFile('wrangler') }),
  ])
  await migrateDatabase(postgres.url(firstDatabase))

  provide('postgres', { serverUrl: postgres.url('postgres'), template: firstDatabase })
  provide('redisUrl', redis?.url ?? null)
  provide('pubsubEmulatorHost', pubsub?.host ?? null)
  provide('edgeBundle', { ...bundle, folder: bundleFolder })
  console.log('Postgres: 18, embedded, real; commits are not flushed to disk')
  console.log(
    redis ? `Redis: ${redisBinary}` : 'Redis: none on PATH; the no-Redis mode and the memory store are what is tested',
  )
  console.log(
    pubsub ? "Pub/Sub: Google's emulator" : 'Pub/Sub: no emulator with Java; the relay hands events to the consumers',
  )
  console.log('Edge: the bundle that a deployment uploads, in workerd')

  return async () => {
    await Promise.all([redis?.stop(), pubsub?.stop(), postgres.stop()])
    removePostgresData(dataFolder)
    await rm(folder, { recursive: true, force: true })
  }
}
