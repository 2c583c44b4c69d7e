import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '#infra/local/ports.ts'
import { startChild, untilReady } from '#infra/local/process.ts'
import { findRedis, startRedis } from '#infra/local/redis.ts'
import type { Cleanup } from './cleanup.ts'

/** Upstash's stand-in, beside us and not in our process: what it costs is not the generator's. */
export type UpstashProcess = {
  readonly url: string
  readonly token: string
  /** Its own, and that of the Redis behind it. */
  readonly pids: readonly number[]
  /** `Redis` or `memory`. */
  readonly keptIn: string
  /** What it was asked since its start. */
  counts(): Promise<{ readonly requests: number; readonly commands: number }>
}

const token = 'bench-token'
const readyMaxMs = 10_000

/** Over Redis where this machine has one. `cleanup` gets what must be stopped. */
export const startUpstashProcess = async (folder: string, cleanup: Cleanup): Promise<UpstashProcess> => {
  const binary = findRedis()
  const logFile = join(folder, 'redis.log')
  const redis = binary && (await startRedis({ binary, port: await freePort(), folder: join(folder, 'redis'), logFile }))
  if (redis) cleanup.add(() => redis.stop())
  const port = await freePort()
  const countsPort = await freePort()
  const child = await startChild({
    name: "Upstash's stand-in",
    command: process.execPath,
    args: [fileURLToPath(new URL('./upstash-main.ts', import.meta.url))],
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      COUNTS_PORT: String(countsPort),
      TOKEN: token,
      ...(redis ? { REDIS_URL: redis.url } : {}),
    },
    logFile: join(folder, 'upstash.log'),
  })
  cleanup.add(() => child.stop())
  const counts: UpstashProcess['counts'] = async () => {
    const response = await fetch(`http://127.0.0.1:${countsPort}`)
    return (await response.json()) as { requests: number; commands: number }
  }
  await untilReady(child, readyMaxMs, () => counts().then(() => true))
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    pids: [child.pid, ...(redis ? [redis.pid] : [])],
    keptIn: redis ? 'Redis' : 'memory',
    counts,
  }
}
