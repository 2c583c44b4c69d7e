import type { Hono } from 'hono'
import type { Database } from '#db/client.ts'
import type { EventBus, Subscriber } from '#infra/event-bus.ts'
import type { IdTokens } from '#infra/id-tokens.ts'
import type { Log } from '#infra/log.ts'
import type { OidcVerifier } from '#infra/oidc.ts'
import type { PushVerifier } from '#infra/push-identity.ts'
import type { RegionalRedis } from '#infra/redis.ts'
import type { Telemetry } from '#infra/telemetry.ts'
import type { VersionedStore } from '#infra/upstash.ts'
import { createAdmission } from './admission.ts'
import { createApp } from './app.ts'
import { createPasswords, type Derive } from './auth/password.ts'
import { authRoutes } from './auth/routes.ts'
import { createSessionIssuer } from './auth/session-issuer.ts'
import { createSessionSets } from './auth/session-sets.ts'
import { isFor } from './cloud-event.ts'
import { createConcurrencyLimit } from './concurrency-limit.ts'
import { type Config, type Neighbours, neighboursOf } from './config.ts'
import { type Consumer, logRefusals } from './consumer.ts'
import { contentRoutes } from './content/routes.ts'
import { createDeadLetterConsumer } from './dead-letters.ts'
import { createDependencies, type Dependencies, type Dependency } from './dependencies.ts'
import { createDirectory } from './directory.ts'
import { type Track, untracked } from './drain.ts'
import { createEraser } from './eraser.ts'
import { experimentRoutes } from './experiments/routes.ts'
import { flagRoutes } from './flags/routes.ts'
import { createQueueGauges, observeAdmission, observeEventLoop, observeLimits, observePool } from './gauges.ts'
import { createHeartbeat } from './heartbeat.ts'
import { internalRoutes } from './internal.ts'
import { createInvalidator } from './invalidate.ts'
import { createKnownNetworks } from './known-networks.ts'
import { createLimiter } from './limiter.ts'
import { createLiveContent } from './live-content.ts'
import { liveEventRoutes } from './live-events/routes.ts'
import type { Loop } from './loop.ts'
import { moderationRoutes } from './moderation/routes.ts'
import { createBelongingsMover } from './move-belongings.ts'
import { createCredentialMover } from './move-credentials.ts'
import { operatorRoutes } from './operators/routes.ts'
import { createPeers, type Peers } from './peers.ts'
import { playerRoutes } from './players/routes.ts'
import { createPrincipalReader } from './principal.ts'
import { createPublisher } from './publisher.ts'
import { createPushReceiver } from './push.ts'
import { createReadiness } from './readiness.ts'
import { createReaper } from './reap.ts'
import { createRelay } from './relay.ts'
import { createReplica } from './replica.ts'
import { createFollower, handOver } from './replicate.ts'
import { createSecrets } from './secrets.ts'
import { sessionRoutes } from './sessions/routes.ts'
import { createSignerSource } from './signing-keys.ts'
import { type SubscriptionName, subscriptions, subscriptionsOf } from './subscriptions.ts'
import { walletRoutes } from './wallet/routes.ts'
import { createWatchPublishing, watchSubscriber } from './watch-events.ts'
import { watchRedis } from './watch-redis.ts'
import { createWatchSets } from './watch-sets.ts'
import { observeRedis, watchLimiter } from './watch-stores.ts'
import { createWrite } from './write.ts'

/** Everything outside of the core that the core talks to. */
export type Adapters = {
  readonly database: Database
  /** The read replica; absent where there is none. */
  readonly replicaDatabase?: Database | undefined
  /** One that is always away, where there is none. */
  readonly redis: RegionalRedis
  readonly bus: EventBus
  readonly store: VersionedStore
  /** Where Pub/Sub pushes events: tells its calls from others. Undefined where they are pulled. */
  readonly verifyPush: PushVerifier | undefined
  /** Verifies the ID tokens of an issuer, by its name. */
  readonly idTokens: ReadonlyMap<string, OidcVerifier>
  /** By which what stands before the other cells' cores lets this one in; absent where nothing does. */
  readonly peerTokens?: IdTokens | undefined
  /** Computes the hashes of passwords. */
  readonly derive: Derive
  readonly log: Log
  readonly telemetry: Telemetry
  readonly clock: () => number
}

const dayMs = 24 * 3_600_000

/** A core, put together and not yet listening. */
export type Platform = {
  readonly app: Hono
  /** Looks after what the core stands on, once it is started; `stop` ends it too. */
  readonly dependencies: Dependencies
  /**
   * Waits for Postgres, its migrations and room for the pools, then starts what the role has: the look at the replica; relay,
   * consumers, reaper, eraser, heartbeat and, in the control cell, publisher. Resolves when that runs, or the platform is stopped.
   * @throws PoolsTooLarge
   */
  start(): Promise<void>
  /**
   * From now on `/health/ready` says no, and nothing new is claimed; resolves when what was claimed is done.
   * @param track learns what is waited for, by name
   */
  stop(track?: Track): Promise<void>
}

export const createPlatform = (config: Config, adapters: Adapters): Platform => {
  const { CELL: cell, ROLE: role } = config
  const { database, replicaDatabase, bus, log, telemetry, clock, verifyPush } = adapters
  const { db } = database
  const secrets = createSecrets(config.MASTER_KEYS)
  const signer = createSignerSource(db, secrets)
  const watchedRedis = watchRedis(adapters.redis, { log, clock })
  const redis = observeRedis(telemetry, watchedRedis)
  const limiter = watchLimiter(telemetry, createLimiter(redis))
  const issuer = createSessionIssuer({ cell, issuer: config.ISSUER, secrets, signer })
  const invalidator = createInvalidator({ store: adapters.store, log, clock, telemetry })
  const readDatabase = role === 'worker' ? undefined : replicaDatabase
  const replica = readDatabase && createReplica({ database: readDatabase, log, clock })
  const neighbours = neighboursOf(config)
  const peers = createPeers({
    ...{ cell, others: neighbours.others, edgeKeys: config.EDGE_KEYS, clock, telemetry },
    idTokens: adapters.peerTokens,
  })
  const directory = createDirectory({ cell, neighbours, database, peers })
  const loops: Readonly<Record<string, Loop>> = {
    relay: createRelay({
      ...{ db, bus, cell, log, clock, raise: invalidator.raise },
      watch: createWatchPublishing(telemetry, { direct: config.EVENT_BUS === 'direct' }),
    }),
    reaper: createReaper({ db, log, clock }),
    eraser: createEraser({ db, directory, cell, log, clock }),
    ...(replicaDatabase ? { heartbeat: createHeartbeat({ db, log, clock }) } : {}),
    ...(follows(cell, neighbours) ? {} : { publisher: createPublisher({ db, cell, log, clock }) }),
    ...(telemetry.enabled ? { queues: createQueueGauges({ database, telemetry, log, clock }) } : {}),
  }
  const dependencies = createDependencies({
    dependencies: dependenciesOf(config, adapters, { peers, neighbours }),
    telemetry,
    log,
  })
  observeProcess(config, adapters)
  const follower = createFollower(database)
  const subscribers = [
    ...subscribersOf(config, adapters, {
      invalidate: () => invalidator.consumer,
      'move-belongings': () => createBelongingsMover({ cell, database, clock }),
      'move-credentials': () => createCredentialMover({ cell, db, neighbours, directory, peers, clock }),
      replicate: () => follower,
      'dead-letters': () => createDeadLetterConsumer({ database, prefix: prefixOf(config), clock }),
    }),
    ...(config.EVENT_BUS === 'direct' ? handOver({ peers, neighbours, prefix: prefixOf(config), clock }) : []),
  ]
  const watch = createWatchSets(telemetry)
  const sets = { size: config.WRITE_SET_SIZE, inFlight: config.WRITE_SETS_IN_FLIGHT }
  const liveContent = createLiveContent({ db, log, clock })
  const stopping = new AbortController()
  const uptime = () => performance.now()
  const admission = createAdmission({
    limit: createConcurrencyLimit({ ...concurrencyOf(config), clock: uptime }),
    onRefused: (refused, limit) => log.info('more to do than can be done', { ...refused, limit }),
    clock: uptime,
    random: Math.random,
  })
  observeAdmission(telemetry, admission.snapshot)
  observeLimits(telemetry, { redis: watchedRedis.snapshot, limiter: limiter.snapshot })
  const readiness = createReadiness({
    database,
    replicaDatabase: readDatabase,
    plan: { instancesMax: config.INSTANCES_MAX, poolMax: config.DATABASE_POOL },
    signer,
    signal: stopping.signal,
    log,
    clock,
  })

  const run = async () => {
    if (!(await readiness.untilDatabaseIsReady())) return
    if (role !== 'api' && !verifyPush)
      for (const subscriber of subscribers) if (!stopping.signal.aborted) await bus.subscribe(subscriber)
    // A loop takes a turn before it can hear of a stop that came first.
    if (stopping.signal.aborted) return
    replica?.start()
    if (role !== 'api') for (const loop of Object.values(loops)) loop.start()
  }
  let starting: Promise<void> = Promise.resolve()

  return {
    dependencies,
    app: createApp({
      handlers:
        role === 'worker'
          ? []
          : [
              ...authRoutes({
                issuer,
                limiter,
                knownNetworks: createKnownNetworks(redis),
                passwords: createPasswords(adapters.derive),
                idTokens: { verifiers: adapters.idTokens, log },
                sets: createSessionSets({ database, clock, sets, watch }),
                database,
                directory,
                names: config.FORBIDDEN_NAMES,
              }),
              ...operatorRoutes({ secrets, limiter }),
              // What is authored in one cell is explained there.
              ...(follows(cell, neighbours) ? [] : flagRoutes(liveContent)),
              ...experimentRoutes(liveContent),
              ...liveEventRoutes(liveContent),
              ...playerRoutes({
                names: config.FORBIDDEN_NAMES,
                deletionGraceMs: config.DELETION_GRACE_DAYS * dayMs,
              }),
              ...moderationRoutes,
              ...sessionRoutes,
              ...walletRoutes,
              // What is authored in one cell is not there to be authored in another.
              ...(follows(cell, neighbours) ? [] : contentRoutes),
            ],
      internal: internalRoutes({ cell, neighbours, database, peers, follow: follower.handle }),
      cell,
      database,
      replica,
      write: createWrite({
        database,
        cell,
        clock,
        sets,
        watch,
      }),
      admission,
      edgeKeys: config.EDGE_KEYS,
      principals: createPrincipalReader(),
      log,
      telemetry,
      clock,
      push:
        role === 'api' || !verifyPush
          ? undefined
          : createPushReceiver({
              verify: verifyPush,
              subscribers,
              bus,
              onRefused: logRefusals(log),
              signal: stopping.signal,
            }),
      ready: readiness.check,
    }),
    start: () => {
      // What a stop interrupts fails, which is no failure.
      starting = run().catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error
      })
      return starting
    },
    stop: async (track = untracked) => {
      stopping.abort()
      await track('start', Promise.allSettled([starting]))
      await Promise.all([
        track('subscriptions', bus.unsubscribe()),
        ...Object.entries({ replica, dependencies, ...loops }).map(([name, loop]) => loop && track(name, loop.stop())),
      ])
      await track('events', bus.close())
    },
  }
}

/**
 * Where the limit of requests under way begins, and what it stays within: at once the database works on as many as there are
 * connections; a set is many requests on one of them.
 */
const concurrencyOf = ({ DATABASE_POOL: pool, CONCURRENCY_MIN, CONCURRENCY_MAX: max }: Config) => {
  const min = Math.min(CONCURRENCY_MIN ?? Math.max(4, pool / 2), max)
  return { initial: Math.max(min, Math.min(pool, max)), min, max }
}

/** Whether a cell goes by what another one says. */
const follows = (cell: Config['CELL'], { control }: Neighbours) => cell !== control

/** What the names of a cell's subscriptions begin with. */
const prefixOf = (config: Config) => `${config.PUBSUB_PREFIX}-${config.CELL}-`

/** What this process stands on. */
const dependenciesOf = (
  config: Config,
  { database, replicaDatabase, redis, store, bus }: Adapters,
  { peers, neighbours }: { readonly peers: Peers; readonly neighbours: Neighbours },
): Dependency[] => [
  { name: 'postgres', ping: database.ping },
  ...(replicaDatabase ? [{ name: 'postgres-replica', ping: replicaDatabase.ping }] : []),
  // A deployment that has none misses nothing.
  ...(config.REDIS_URL ? [{ name: 'redis', ping: redis.ping }] : []),
  { name: 'upstash', ping: store.ping },
  ...(config.EVENT_BUS === 'direct' ? [] : [{ name: 'pubsub', ping: bus.ping }]),
  ...[...neighbours.others.keys()].map((cell) => ({ name: `cell-${cell}`, ping: () => peers.ping(cell) })),
]

/** What every process tells of itself. */
const observeProcess = (
  { DATABASE_POOL: connectionsMax }: Config,
  { database, replicaDatabase, telemetry }: Adapters,
): void => {
  observeEventLoop(telemetry)
  observePool(telemetry, { name: 'primary', database, connectionsMax })
  if (replicaDatabase) observePool(telemetry, { name: 'replica', database: replicaDatabase, connectionsMax })
}

/** The cell's consumers under the names of their subscriptions. */
const subscribersOf = (
  config: Config,
  { telemetry, clock }: Adapters,
  consumers: Readonly<Record<SubscriptionName, () => Consumer>>,
): Subscriber[] =>
  subscriptionsOf(config.CELL, neighboursOf(config).control).map((consumer) => {
    const name = prefixOf(config) + consumer
    const { topic } = subscriptions[consumer]
    const { handle, available } = consumers[consumer]()
    // A letter was told of when it was refused, and says itself whose it is.
    if (topic === 'dead-letters') return { name, topic, handle, available }
    const watched = watchSubscriber(
      telemetry,
      { name, topic, handle, available },
      { consumer, direct: config.EVENT_BUS === 'direct', clock },
    )
    return {
      ...watched,
      handle: async (message) => {
        if (isFor(message, name)) await watched.handle(message)
      },
    }
  })
