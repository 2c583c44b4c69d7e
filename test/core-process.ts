import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '#infra/local/ports.ts'
import { type Child, startChild, untilReady } from '#infra/local/process.ts'
import { type CoreCall, signCoreCall } from './core-call.ts'
import { cell, type World } from './harness.ts'

/** A core of its own process on a world's database, that can be killed. */
export type CoreProcess = Child & {
  readonly url: string
  /** A request to it, signed as an edge would. */
  ask(call: CoreCall): Promise<Response>
}

/** Starts `core/main.ts` and waits until it is ready. It has no Redis, and refuses nobody for want of room; `settings` add to its environment or replace it. */
export const startCoreProcess = async (
  world: World,
  settings: Readonly<Record<string, string>> = {},
): Promise<CoreProcess> => {
  const core = await launchCoreProcess(world, settings)
  await untilReady(core, 20_000, async () => (await fetch(`${core.url}/health/ready`)).ok)
  return core
}

/** Starts it as `startCoreProcess` does, and waits for nothing. */
export const launchCoreProcess = async (
  world: World,
  settings: Readonly<Record<string, string>> = {},
): Promise<CoreProcess> => {
  const port = Number(settings.PORT ?? (await freePort()))
  const url = `http://127.0.0.1:${port}`
  const logFile = join(tmpdir(), `perigee-core-${port}-${Date.now()}.log`)
  const child = await startChild({
    name: 'core',
    command: process.execPath,
    args: [fileURLToPath(new URL('../core/main.ts', import.meta.url))],
    logFile,
    env: {
      ...process.env,
      CELL: cell,
      PORT: String(port),
      ROLE: 'api',
      EVENT_BUS: 'direct',
      DATABASE_URL: world.databaseUrl,
      MASTER_KEYS: world.secrets.masterKeys,
      EDGE_KEYS: world.secrets.edgeKeys,
      ISSUER: world.edgeUrl,
      UPSTASH_URL: world.upstash.url,
      UPSTASH_TOKEN: 'test-token',
      CONCURRENCY_MIN: '1000',
      ...settings,
    },
  })
  return {
    ...child,
    url,
    ask: (call) => {
      const headers = signCoreCall(call, world.secrets.edgeKeys, call.signedAt ?? world.clock())
      return fetch(url + call.path, { method: call.method, headers, ...(call.body ? { body: call.body } : {}) })
    },
    stop: async () => {
      await child.stop()
      await rm(logFile, { force: true })
    },
  }
}
