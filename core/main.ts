import { getRequestListener } from '@hono/node-server'
import { openDatabase } from '#db/client.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import type { EventBus } from '#infra/event-bus.ts'
import { createMetadataIdentity } from '#infra/google-metadata.ts'
import { createIdTokens, type IdTokens } from '#infra/id-tokens.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { createOidcVerifier } from '#infra/oidc.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { createPushVerifier } from '#infra/push-identity.ts'
import { createRedis } from '#infra/redis.ts'
import { createTelemetry } from '#infra/telemetry.ts'
import { createUpstash } from '#infra/upstash.ts'
import { argon2id } from './auth/password.ts'
import { type Config, parseConfig, pushOf, redisOf, topicsOf } from './config.ts'
import { logRefusals } from './consumer.ts'
import { createDrain } from './drain.ts'
import { listen } from './listener.ts'
import { createPlatform } from './platform.ts'
import { replicaTimeoutMs } from './replica.ts'
import { observeQueries } from './watch-queries.ts'

/** A statement that takes longer is not one of ours. */
const statementTimeoutMs = 5_000
/** The most that a reader waits for; and a set of many writes that takes longer keeps more of them waiting. */
const setTimeoutMs = 2_000
/** A tier that is slower than this is no cache. */
const upstashTimeoutMs = 1_000
/** What a pool's last queries get, of requests that have their answer. */
const poolCloseMaxMs = 1_000
/** What a collector that is away may cost a stop. */
const telemetryCloseMaxMs = 1_000

type Settings = {
  readonly config: Config
  readonly push: ReturnType<typeof pushOf>
  readonly regionalRedis: ReturnType<typeof redisOf>
}

const settingsOrExit = (): Settings => {
  try {
    const config = parseConfig(process.env)
    return { config, push: pushOf(config), regionalRedis: redisOf(config) }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

const { config, push, regionalRedis } = settingsOrExit()
const log = createLog({ service: 'core', cell: config.CELL }, (line) => process.stdout.write(`${line}\n`))
const onError = (part: string) => (error: Error) => log.error(`${part} failed`, error)
const telemetry = await createTelemetry(
  process.env,
  { name: 'perigee-core', attributes: { 'perigee.cell': config.CELL, 'perigee.role': config.ROLE } },
  (times) => log.info('telemetry could not be sent', { times }),
)
const observe = observeQueries(telemetry)

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
  observe,
})
const replicaDatabase = config.DATABASE_REPLICA_URL
  ? openDatabase({
      url: config.DATABASE_REPLICA_URL,
      poolMax: config.DATABASE_POOL,
      statementTimeoutMs: replicaTimeoutMs,
      applicationName: `perigee-core-${config.ROLE}`,
      observe,
    })
  : undefined
const redis = regionalRedis ? createRedis({ ...regionalRedis, onError: onError('redis') }) : createAbsentRedis()
const store = createUpstash({ url: config.UPSTASH_URL, token: config.UPSTASH_TOKEN, timeoutMs: upstashTimeoutMs })

const peerTokensOf = ({ CORE_AUDIENCE: audience, GCE_METADATA_HOST: host }: Config): IdTokens | undefined =>
  audience === undefined
    ? undefined
    : createIdTokens({
        audience,
        source: createMetadataIdentity({ audience, host }),
        clock: Date.now,
        random: Math.random,
        onFailure: (error) => log.error('the core has no identity to call the other cells with', error),
      })

const platform = createPlatform(config, {
  database,
  replicaDatabase,
  redis,
  bus,
  store,
  verifyPush: push && createPushVerifier(push),
  idTokens: new Map([...config.OIDC_ISSUERS].map(([name, issuer]) => [name, createOidcVerifier(issuer)])),
  peerTokens: peerTokensOf(config),
  derive: argon2id,
  log,
  telemetry,
  clock: Date.now,
})
const listener = listen({
  answer: getRequestListener(platform.app.fetch),
  port: config.PORT,
  onListening: () => log.info('listening', { port: config.PORT, role: config.ROLE, events: config.EVENT_BUS }),
  onError: (error) => {
    log.error('the server failed', error)
    process.exit(1)
  },
})

let isStarted = false
const drain = createDrain({
  stopWork: platform.stop,
  // Nobody was told to send anything to a process that never was ready.
  linger: async () => (isStarted ? listener.linger() : undefined),
  closeServer: listener.close,
  underWay: listener.underWay,
  closings: {
    Postgres: () => database.close(poolCloseMaxMs),
    'the read replica': async () => replicaDatabase?.close(poolCloseMaxMs),
    Redis: redis.close,
    telemetry: () => telemetry.close(telemetryCloseMaxMs),
  },
  log,
  exit: process.exit,
})
// Both stay, so that a second signal does not end what the first one began.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, drain)

platform.dependencies.start()
try {
  await platform.start()
  isStarted = true
} catch (error) {
  log.error('the core cannot start', error)
  process.exit(1)
}
