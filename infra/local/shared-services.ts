import { fileURLToPath } from 'node:url'
import { startLocalRedis } from './cell.ts'
import { logFileOf } from './local-folder.ts'
import { freePort, portAnswers } from './ports.ts'
import { type Child, startChild, untilReady } from './process.ts'
import { findPubSubEmulator, startPubSubEmulator } from './pubsub.ts'
import { findRedis } from './redis.ts'
import { note, step } from './report.ts'
import type { Secrets } from './secrets.ts'
import type { Services } from './services.ts'

const upstashReadyMaxMs = 15_000

/** The `host:port` of a Pub/Sub that all cells use; undefined where the machine has none. */
export const startPubSub = async (services: Services): Promise<string | undefined> => {
  if (process.env.PUBSUB_EMULATOR_HOST) {
    note('Pub/Sub: the emulator that PUBSUB_EMULATOR_HOST names')
    return process.env.PUBSUB_EMULATOR_HOST
  }
  const found = findPubSubEmulator()
  if (!found) {
    note(
      'Pub/Sub: none, since Google’s emulator or Java is not installed; the core hands events to its consumers directly',
    )
    return undefined
  }
  const name = 'pubsub'
  return step('Pub/Sub emulator', async () => {
    const options = { found, port: await freePort(), logFile: logFileOf(name) }
    const service = { name, essential: false, address: ({ host }: { readonly host: string }) => host }
    return (await services.start(service, () => startPubSubEmulator(options))).host
  })
}

/**
 * The stand-in for Upstash, as a process of its own so that it can be killed, over a Redis of its own so that it does
 * not fail together with a cell's; in memory where there is no Redis.
 */
export const startUpstashProcess = async (services: Services, secrets: Secrets): Promise<string> => {
  const name = 'upstash'
  const binary = findRedis()
  return step(binary === undefined ? 'Upstash stand-in, in memory' : 'Upstash stand-in, over Redis', async () => {
    const redis = binary === undefined ? undefined : await startLocalRedis(services, `redis-${name}`, binary)
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const start = async (): Promise<Child> => {
      const child = await startChild({
        name,
        command: process.execPath,
        args: [fileURLToPath(new URL('./upstash-main.ts', import.meta.url))],
        env: {
          ...process.env,
          PORT: String(port),
          UPSTASH_TOKEN: secrets.upstashToken,
          UPSTASH_READ_ONLY_TOKEN: secrets.upstashReadOnlyToken,
          REDIS_URL: redis?.url,
        },
        logFile: logFileOf(name),
      })
      await untilReady(child, upstashReadyMaxMs, () => portAnswers(port))
      return child
    }
    await services.start({ name, essential: false, address: () => url }, start)
    return url
  })
}
