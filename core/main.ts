import { serve } from '@hono/node-server'
import { openDatabase } from '#db/client.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import type { EventBus } from '#infra/event-bus.ts'
import { createLog } from '#infra/log.ts'
import { createOidcVerifier } from '#infra/oidc.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { createPushVerifier } from '#infra/push-identity.ts'
import { createRedis } from '#infra/redis.ts'
import { createUpstash } from '#infra/upstash.ts'
import { argon2id } from './auth/password.ts'
import { type Config, parseConfig, pushOf, topicsOf } from './config.ts'
import { logRefusals } from './consumer.ts'
import { createPlatform } from './platform.ts'
import { replicaTimeoutMs } from './replica.ts'

/** A statement that takes longer is not one of ours. */
const statementTimeoutMs = 5_000
/** The most that a reader waits for; and a set of many writes that takes longer keeps more of them waiting. */
const setTimeoutMs = 2_000
/** A tier that is slower than this is no cache. */
const upstashTimeoutMs = 1_000
/** Cloud Run ends a process ten seconds after it asked it to stop. */
const drainMaxMs = 8_000

const configOrExit = (): { config: Config; push: ReturnType<typeof pushOf> } => {
  try {
    const config = parseConfig(process.env)
    return { config, push: pushOf(config) }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

const { config, push } = configOrExit()
const log = createLog({ service: 'core', cell: config.CELL }, (line) => process.stdout.write(`${line}\n`))
const onError = (part: string) => (error: Error) => log.error(`${part} failed`, error)

const bus: EventBus =
  config.EVENT_BUS === 'direct'
    ? createDirectBus(logRefusals(log))
    : createPubSub({
        projectId: config.PUBSUB_PROJECT,
        topics: topicsOf(config),
        emulatorHost: config.PUBSUB_EMULATOR_HOST,
        onError: onError('pubsub'),
        onRefused: logRefusals(log),
      })
const database = openDatabase({
  url: config.DATABASE_URL,
  poolMax: config.DATABASE_POOL,
  statementTimeoutMs,
  setTimeoutMs,
  applicationName: `perigee-core-${config.ROLE}`,
})
const replicaDatabase = config.DATABASE_REPLICA_URL
  ? openDatabase({
      url: config.DATABASE_REPLICA_URL,
      poolMax: config.DATABASE_POOL,
      statementTimeoutMs: replicaTimeoutMs,
      applicationName: `perigee-core-${config.ROLE}`,
    })
  : undefined
const redis = config.REDIS_URL
  ? createRedis({ url: config.REDIS_URL, cluster: config.REDIS_CLUSTER === 'true', onError: onError('redis') })
  : undefined
const store = createUpstash({ url: config.UPSTASH_URL, token: config.UPSTASH_TOKEN, timeoutMs: upstashTimeoutMs })

const platform = createPlatform(config, {
  database,
  replicaDatabase,
  redis,
  bus,
  store,
  verifyPush: push && createPushVerifier(push),
  idTokens: new Map([...config.OIDC_ISSUERS].map(([name, issuer]) => [name, createOidcVerifier(issuer)])),
  derive: argon2id,
  log,
  clock: Date.now,
})
const server = serve({ fetch: platform.app.fetch, port: config.PORT }, () =>
  log.info('listening', { port: config.PORT, role: config.ROLE, events: config.EVENT_BUS }),
)
server.on('error', (error) => {
  log.error('the server failed', error)
  process.exit(1)
})
await platform.start()

/** Stops to claim work, lets requests end, then closes what they used; all of it bounded. */
const drain = async (signal: string) => {
  log.info('stopping', { signal })
  const hardStop = setTimeout(() => process.exit(1), drainMaxMs)
  const closed = new Promise((resolve) => server.close(resolve))
  if ('closeIdleConnections' in server) server.closeIdleConnections()
  await Promise.all([platform.stop(), closed])
  await Promise.allSettled([database.close(1_000), replicaDatabase?.close(1_000), redis?.close()])
  clearTimeout(hardStop)
  log.info('stopped')
  process.exit(0)
}
process.once('SIGTERM', () => void drain('SIGTERM'))
process.once('SIGINT', () => void drain('SIGINT'))
