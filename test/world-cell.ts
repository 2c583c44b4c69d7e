import { serve } from '@hono/node-server'
import postgres from 'postgres'
import { inject } from 'vitest'
import { edgeHeaders } from '#contract/edge-request.ts'
import type { Cell } from '#contract/ids.ts'
import { createApiKey } from '#core/api-keys.ts'
import { argon2id, type Derive } from '#core/auth/password.ts'
import { parseConfig, topicsOf } from '#core/config.ts'
import { logRefusals } from '#core/consumer.ts'
import { createPlatform } from '#core/platform.ts'
import { replicaTimeoutMs } from '#core/replica.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey } from '#core/signing-keys.ts'
import { observeQueries } from '#core/watch-queries.ts'
import { openDatabase } from '#db/client.ts'
import { upsertCurrency } from '#db/wallet.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import { createLog } from '#infra/log.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import { createOidcVerifier } from '#infra/oidc.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { createRedis } from '#infra/redis.ts'
import { silentTelemetry, type Telemetry } from '#infra/telemetry.ts'
import { createUpstash } from '#infra/upstash.ts'
import { signCoreCall } from './core-call.ts'
import { cloneDatabase } from './database.ts'
import { type Clock, createStops, type Deployment } from './deployment.ts'
import type { World } from './harness.ts'
import { type LocalOidcIssuer, startOidcIssuer } from './oidc-issuer.ts'
import { pubsubEmulatorHost } from './pubsub-emulator.ts'
import { startReplicatedPostgres } from './replicated-postgres.ts'

/** What no player of a world may be called. */
export const forbiddenName = 'Scoundrel'

/** Whom the ID tokens of a world's issuer are for. */
const idTokenAudience = 'test-app'

const trusted = ({ url: issuer, keysUrl }: LocalOidcIssuer) => {
  const own = { issuer, keysUrl, audiences: [idTokenAudience] }
  return { google: own, apple: own, test: own }
}
/** How a cell's database and bus are made, whom it believes, and how it hashes passwords. */
export type CellOptions = {
  readonly oidcIssuers?: Readonly<Record<string, unknown>>
  readonly derive?: Derive
  readonly bus?: 'pubsub' | 'direct'
  readonly replica?: boolean
  /** A migrated database that the caller has made and will end, on a server of its own. */
  readonly databaseUrl?: string
  readonly redisUrl?: string | undefined
  /** Where spans and metrics go; nowhere where it is absent. */
  readonly telemetry?: Telemetry
}

/** A cell in this process: core and database of its own. */
export type WorldCell = Pick<
  World,
  | 'coreUrl'
  | 'database'
  | 'sql'
  | 'databaseUrl'
  | 'replica'
  | 'platform'
  | 'issuer'
  | 'stopCore'
  | 'coreRequests'
  | 'askCore'
> & {
  readonly cell: Cell
  /** The core listens again, after `stopCore`. */
  restartCore(): void
  stop(): Promise<void>
}

/** Starts a cell of a deployment, and its core. */
export const startCell = async (cell: Cell, deployment: Deployment, options: CellOptions): Promise<WorldCell> => {
  const { clock, logLines, masterKeys, edgeKeys, prefix, upstash, edgeUrl, cores } = deployment
  const { stops, stop } = createStops()
  const redisUrl = options.redisUrl ?? inject('redisUrl')
  const { bus: carrier = inject('bus') } = options
  const emulatorHost = carrier === 'direct' ? null : await pubsubEmulatorHost()

  const own = options.replica ? await startReplicatedPostgres() : undefined
  const replica = own?.replica
  const given = options.databaseUrl === undefined ? undefined : { url: options.databaseUrl, drop: async () => {} }
  const { url: databaseUrl, drop } = own ?? given ?? (await cloneDatabase())
  stops.push(drop)
  const { telemetry = silentTelemetry } = options
  const pool = { poolMax: 10, applicationName: 'test', clock, observe: observeQueries(telemetry) }
  const database = openDatabase({ ...pool, url: databaseUrl, statementTimeoutMs: 5_000, setTimeoutMs: 2_000 })
  stops.push(() => database.close(0))
  const replicaDatabase = replica && openDatabase({ ...pool, url: replica.url, statementTimeoutMs: replicaTimeoutMs })
  stops.push(async () => replicaDatabase?.close(1_000))
  const sql = postgres(databaseUrl, { max: 4, onnotice: () => {} })
  stops.push(() => sql.end({ timeout: 0 }))

  const issuer = await startOidcIssuer({ audience: idTokenAudience, algorithm: 'RS256', clock })
  stops.push(issuer.stop)

  const coreUrl = cores[cell] ?? ''
  const corePort = Number(new URL(coreUrl).port)
  const config = parseConfig({
    CELL: cell,
    ...(Object.keys(cores).length > 1 ? { CELLS: JSON.stringify(cores), CONTROL_CELL: Object.keys(cores)[0] } : {}),
    PORT: String(corePort),
    DATABASE_URL: databaseUrl,
    DATABASE_REPLICA_URL: replica?.url,
    MASTER_KEYS: masterKeys,
    EDGE_KEYS: edgeKeys,
    ISSUER: edgeUrl,
    UPSTASH_URL: upstash.url,
    UPSTASH_TOKEN: 'test-token',
    PUBSUB_PREFIX: prefix,
    FORBIDDEN_NAMES: forbiddenName,
    EVENT_BUS: emulatorHost ? 'pubsub' : 'direct',
    // What a burst meets on a machine that is busy with other tests is not what a test of something else is about.
    CONCURRENCY_MIN: '1000',
    OIDC_ISSUERS: JSON.stringify(options.oidcIssuers ?? trusted(issuer)),
  })
  const log = createLog({ service: 'core', cell }, (line) => logLines.push(line))
  const onError = (error: Error) => log.error('an adapter failed', error)
  const onRefused = logRefusals(log)
  const redis = redisUrl ? createRedis({ url: redisUrl, cluster: false, onError }) : createAbsentRedis()
  stops.push(redis.close)
  const bus = emulatorHost
    ? createPubSub({ projectId: 'perigee-test', topics: topicsOf(config), emulatorHost, onError, onRefused })
    : createDirectBus(onRefused)
  const platform = createPlatform(config, {
    database,
    replicaDatabase,
    redis,
    bus,
    store: createUpstash({ url: upstash.url, token: 'test-token', timeoutMs: 1_000 }),
    verifyPush: undefined,
    idTokens: new Map([...config.OIDC_ISSUERS].map(([name, settings]) => [name, createOidcVerifier(settings)])),
    derive: options.derive ?? argon2id,
    log,
    telemetry,
    clock,
  })
  await createSigningKey(database.db, {
    secrets: createSecrets(config.MASTER_KEYS),
    cell,
    now: new Date(clock()),
  })

  let coreRequests = 0
  const listen = () =>
    serve({
      fetch: (request) => {
        coreRequests++
        return platform.app.fetch(request)
      },
      port: corePort,
      hostname: '127.0.0.1',
    })
  let server = listen()
  const stopCore = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    if ('closeAllConnections' in server) server.closeAllConnections()
    await closed
  }
  stops.push(stopCore)
  await platform.start()
  stops.push(() => platform.stop())

  const askCore: World['askCore'] = async (call) => {
    const headers = { [edgeHeaders.cell]: cell, ...call.headers }
    const signed = signCoreCall({ ...call, headers }, edgeKeys, call.signedAt ?? clock())
    return platform.app.fetch(
      new Request(coreUrl + call.path, {
        method: call.method,
        headers: signed,
        ...(call.body === undefined ? {} : { body: call.body }),
      }),
    )
  }
  return {
    cell,
    coreUrl,
    database,
    sql,
    databaseUrl,
    replica,
    platform,
    issuer,
    stopCore,
    restartCore: () => {
      server = listen()
    },
    coreRequests: () => coreRequests,
    askCore,
    stop,
  }
}

/** Keys and currencies, as the commands make them in the control cell. */
export const makeContent = async ({ cell, database: { db } }: WorldCell, clock: Clock): Promise<World['keys']> => {
  const now = new Date(clock())
  const make = async (kind: 'publishable' | 'server' | 'operator') => {
    const extra = {
      origins: kind === 'publishable' ? ['https://game.example'] : [],
      scopes: kind === 'server' ? ['*'] : [],
      role: kind === 'operator' ? 'admin' : undefined,
    }
    return (await createApiKey(db, { kind, name: 'test', cell, now, ...extra })).key
  }
  const keys = {
    publishable: await make('publishable'),
    server: await make('server'),
    operator: await make('operator'),
  }
  await upsertCurrency(db, { code: 'coins', cap: 1_000_000_000, now })
  await upsertCurrency(db, { code: 'gems', cap: 1_000_000, now })
  return keys
}
