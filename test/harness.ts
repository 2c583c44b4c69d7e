import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { serve } from '@hono/node-server'
import postgres from 'postgres'
import { inject } from 'vitest'
import { type Client, createClient } from '#contract/client.ts'
import {
  type EdgePrincipal,
  edgeHeaders,
  encodePrincipal,
  encodeSignature,
  parseNamedKeys,
  signedBytes,
} from '#contract/edge-request.ts'
import { type Cell, cellSchema, type PlayerId } from '#contract/ids.ts'
import { routes } from '#contract/routes.ts'
import { createApiKey } from '#core/api-keys.ts'
import { argon2id, type Derive } from '#core/auth/password.ts'
import { parseConfig, topicsOf } from '#core/config.ts'
import { logRefusals } from '#core/consumer.ts'
import { createPlatform, type Platform } from '#core/platform.ts'
import { replicaTimeoutMs } from '#core/replica.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey } from '#core/signing-keys.ts'
import { tellEverything } from '#core/tell-everything.ts'
import { type Database, openDatabase } from '#db/client.ts'
import { upsertCurrency } from '#db/wallet.ts'
import { createDirectBus } from '#infra/direct-bus.ts'
import { startEdge } from '#infra/local/edge.ts'
import { freePort } from '#infra/local/ports.ts'
import { startUpstash, type Upstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'
import { createLog } from '#infra/log.ts'
import { createOidcVerifier } from '#infra/oidc.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { createRedis } from '#infra/redis.ts'
import { createUpstash } from '#infra/upstash.ts'
import { checkedFetch } from './checked-fetch.ts'
import { type LocalOidcIssuer, startOidcIssuer } from './oidc-issuer.ts'
import { startReplicatedPostgres, type WorldReplica } from './replicated-postgres.ts'

export const cell: Cell = cellSchema.parse('eu1')

/** Whom the ID tokens of a world's issuer are for. */
const idTokenAudience = 'test-app'

const trusted = ({ url: issuer, keysUrl }: LocalOidcIssuer) => {
  const own = { issuer, keysUrl, audiences: [idTokenAudience] }
  return { google: own, apple: own, test: own }
}
/** What no player of a world may be called. */
export const forbiddenName = 'Scoundrel'

/** Time as the core sees it: the machine's, moved by hand. */
export type Clock = { (): number; advance(ms: number): void }

const createClock = (): Clock => {
  let offsetMs = 0
  const advance = (ms: number) => {
    offsetMs += ms
  }
  return Object.assign(() => Date.now() + offsetMs, { advance })
}

/** A cell and its edge in one process: what a deployment runs, on real parts, with a database of its own. */
export type World = {
  readonly edgeUrl: string
  readonly coreUrl: string
  readonly database: Database
  /** For statements that only a test would send. */
  readonly sql: postgres.Sql
  readonly databaseUrl: string
  /** The read replica that the core is configured with; undefined unless it was asked for. */
  readonly replica: WorldReplica | undefined
  readonly platform: Platform
  readonly upstash: Upstash
  readonly clock: Clock
  /** Whose ID tokens are believed as those of google, apple and `test`, unless other issuers were asked for. */
  readonly issuer: LocalOidcIssuer
  readonly keys: { readonly publishable: string; readonly server: string; readonly operator: string }
  readonly secrets: { readonly masterKeys: string; readonly edgeKeys: string }
  /** What the names of its topics and subscriptions begin with. */
  readonly prefix: string
  /** The core stops to listen, as if its region were gone; what it had begun ends. */
  stopCore(): Promise<void>
  /** How many requests the core has had, of routes or documents. */
  coreRequests(): number
  /** Everything that core and edge have logged. */
  readonly logLines: string[]
  /** A caller through the edge that checks every answer against the contract. */
  client(options?: { bearer?: string; publishableKey?: string; baseUrl?: string }): Client<typeof routes>
  /** A new player, signed in. */
  signIn(deviceId?: string): Promise<SignedIn>
  /** A request to the core, signed as an edge would. */
  askCore(request: CoreCall): Promise<Response>
  stop(): Promise<void>
}

export type SignedIn = {
  readonly playerId: PlayerId
  readonly accessToken: string
  readonly refreshToken: string
  readonly client: Client<typeof routes>
}

export type CoreCall = {
  readonly method: string
  readonly path: string
  readonly principal: EdgePrincipal
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** When it is signed; now, if absent. */
  readonly signedAt?: number
}

const newKeys = () => `k1:${randomBytes(32).toString('base64')}`

/** Clones the migrated template; the clone is dropped by `drop`. */
const cloneDatabase = async (): Promise<{ url: string; drop: () => Promise<void> }> => {
  const { serverUrl, template } = inject('postgres')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const admin = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name} template ${template} strategy file_copy`)
  const drop = async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`)
    await admin.end()
  }
  return { url: serverUrl.replace(/\/postgres$/, `/${name}`), drop }
}

/** How a cell's database and bus are made, whom it believes, and how it hashes passwords. */
type CellOptions = {
  readonly oidcIssuers?: Readonly<Record<string, unknown>>
  readonly derive?: Derive
  readonly bus?: 'pubsub' | 'direct'
  readonly replica?: boolean
  readonly redisUrl?: string | undefined
}

/** What all cells of a test's deployment have in common. */
type Deployment = {
  readonly clock: Clock
  readonly logLines: string[]
  readonly masterKeys: string
  readonly edgeKeys: string
  readonly prefix: string
  readonly upstash: Upstash
  readonly edgeUrl: string
  /** Cell -> where its core listens, the control cell first. */
  readonly cores: Readonly<Record<string, string>>
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

/** Stops what was started, the last one first. */
const createStops = () => {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const one of stops.toReversed()) await one()
  }
  return { stops, stop }
}

const startUpstashOf = async (
  redisUrl: string | undefined | null,
  options: { readonly upstashReplica?: boolean },
): Promise<Upstash> =>
  startUpstash({
    port: 0,
    token: 'test-token',
    readOnlyToken: 'test-read-token',
    store: redisUrl ? createRedisStore(redisUrl) : createMemoryStore(),
    ...(options.upstashReplica ? { replica: createMemoryStore() } : {}),
  })

const startCell = async (cell: Cell, deployment: Deployment, options: CellOptions): Promise<WorldCell> => {
  const { clock, logLines, masterKeys, edgeKeys, prefix, upstash, edgeUrl, cores } = deployment
  const { stops, stop } = createStops()
  const redisUrl = options.redisUrl ?? inject('redisUrl')
  const emulatorHost = options.bus === 'direct' ? null : inject('pubsubEmulatorHost')

  const own = options.replica ? await startReplicatedPostgres() : undefined
  const replica = own?.replica
  const { url: databaseUrl, drop } = own ?? (await cloneDatabase())
  stops.push(drop)
  const pool = { poolMax: 10, applicationName: 'test' }
  const database = openDatabase({ ...pool, url: databaseUrl, statementTimeoutMs: 5_000 })
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
    OIDC_ISSUERS: JSON.stringify(options.oidcIssuers ?? trusted(issuer)),
  })
  const log = createLog({ service: 'core', cell }, (line) => logLines.push(line))
  const onError = (error: Error) => log.error('an adapter failed', error)
  const onRefused = logRefusals(log)
  const redis = redisUrl ? createRedis({ url: redisUrl, cluster: false, onError }) : undefined
  stops.push(async () => redis?.close())
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
const makeContent = async ({ cell, database: { db } }: WorldCell, clock: Clock): Promise<World['keys']> => {
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

/** Wherever an edge on this machine is said to be. */
const everywhere = ['EU', 'AF', 'AS', 'NA', 'SA', 'OC', 'AN']

const startEdgeOf = (
  { edgeKeys, upstash, edgeUrl, cores, logLines }: Deployment,
  { near, port }: { readonly near: string; readonly port: number },
) => {
  const entries = Object.entries(cores).map(([name, coreUrl]) => [
    name,
    { coreUrl, near: name === near ? everywhere : [] },
  ])
  return startEdge(
    {
      bundleFolder: inject('edgeBundle').folder,
      configPath: fileURLToPath(new URL('../wrangler.toml', import.meta.url)),
      port,
      vars: {
        CELLS: JSON.stringify(Object.fromEntries(entries)),
        CONTROL_CELL: Object.keys(cores)[0] ?? '',
        ISSUER: edgeUrl,
        UPSTASH_URL: upstash.url,
        UPSTASH_TOKEN: 'test-token',
        EDGE_KEYS: edgeKeys,
      },
    },
    (line) => logLines.push(line),
  )
}

/** Two or more cells of one deployment, and beside each an edge that is nearest to it. */
export type Cells = {
  /** In the order in which they were named; the first is the control cell. */
  readonly cells: readonly WorldCell[]
  readonly edges: readonly string[]
  readonly clock: Clock
  readonly keys: World['keys']
  readonly secrets: World['secrets']
  readonly logLines: string[]
  /** A caller through the edge beside a cell, or through another one. */
  client(at: number, bearer?: string, baseUrl?: string): Client<typeof routes>
  /** Another edge beside a cell, which knows nothing yet. */
  startEdge(at: number): Promise<{ readonly url: string; stop(): Promise<void> }>
  stop(): Promise<void>
}

/**
 * Starts a world. Every file starts its own and stops it when it is done.
 * @param options.bus `direct` leaves Pub/Sub out though there is an emulator
 * @param options.replica true for a database on servers of its own, a primary and a replica; costs two seconds
 * @param options.redisUrl a Redis instead of the one that all files share: what a test does to all of its keys, it does to its own; empty for none
 * @param options.oidcIssuers the setting OIDC_ISSUERS, as JSON has it; the world's own issuer, if absent
 * @param options.derive computes the hashes of passwords instead of argon2id
 * @param options.upstashReplica true for an Upstash whose reads go to a replica, as far behind as `upstash.faults.lagMs` says
 */
export const startWorld = async (options: CellOptions & { readonly upstashReplica?: boolean } = {}): Promise<World> => {
  const { stops, stop } = createStops()
  const clock = createClock()
  const logLines: string[] = []
  const masterKeys = newKeys()
  const edgeKeys = newKeys()
  const upstash = await startUpstashOf(options.redisUrl ?? inject('redisUrl'), options)
  stops.push(() => upstash.close())
  const edgePort = await freePort()
  const edgeUrl = `http://127.0.0.1:${edgePort}`
  const cores = { [cell]: `http://127.0.0.1:${await freePort()}` }
  const prefix = `t${randomUUID().slice(0, 8)}`
  const deployment = { clock, logLines, masterKeys, edgeKeys, prefix, upstash, edgeUrl, cores }

  const own = await startCell(cell, deployment, options)
  stops.push(own.stop)
  const keys = await makeContent(own, clock)
  const edge = await startEdgeOf(deployment, { near: cell, port: edgePort })
  stops.push(() => edge.stop())

  const client: World['client'] = ({ bearer, publishableKey = keys.publishable, baseUrl = edgeUrl } = {}) =>
    createClient(routes, { baseUrl, fetch: checkedFetch, publishableKey, bearer: () => bearer })

  const signIn = async (deviceId: string = randomUUID()): Promise<SignedIn> => {
    const { body } = await client().signInWithDevice({ body: { deviceId } })
    const { accessToken, refreshToken } = body
    return { playerId: body.player.id, accessToken, refreshToken, client: client({ bearer: accessToken }) }
  }
  return {
    ...own,
    edgeUrl,
    upstash,
    clock,
    keys,
    secrets: { masterKeys, edgeKeys },
    prefix,
    logLines,
    client,
    signIn,
    stop,
  }
}

/** Starts a deployment of several cells. Resolves when all of them have heard of the control cell's keys and currencies. */
export const startCells = async (names: readonly string[], options: CellOptions = {}): Promise<Cells> => {
  const { stops, stop } = createStops()
  const clock = createClock()
  const logLines: string[] = []
  const masterKeys = newKeys()
  const edgeKeys = newKeys()
  const upstash = await startUpstashOf(options.redisUrl ?? inject('redisUrl'), {})
  stops.push(() => upstash.close())
  const ports = await Promise.all(names.map(freePort))
  const edges = ports.map((port) => `http://127.0.0.1:${port}`)
  const cores: Record<string, string> = {}
  for (const name of names) cores[name] = `http://127.0.0.1:${await freePort()}`
  const prefix = `t${randomUUID().slice(0, 8)}`
  const deployment = { clock, logLines, masterKeys, edgeKeys, prefix, upstash, edgeUrl: edges[0] ?? '', cores }

  const cells: WorldCell[] = []
  for (const name of names) {
    const started = await startCell(cellSchema.parse(name), deployment, options)
    stops.push(started.stop)
    cells.push(started)
  }
  const [control] = cells
  if (!control) throw new Error('a deployment has a cell')
  const keys = await makeContent(control, clock)
  const { db } = control.database
  const told = await tellEverything(db, { cell: control.cell, now: new Date(clock()) })
  for (const { sql } of cells) {
    const hasAll = async () => {
      const [row] =
        await sql`select (select count(*) from api_keys)::int + (select count(*) from currencies)::int as known`
      return row?.known === told
    }
    await eventually(hasAll, 10_000)
  }
  for (const [at, near] of names.entries()) {
    const edge = await startEdgeOf(deployment, { near, port: ports[at] ?? 0 })
    stops.push(() => edge.stop())
  }
  return {
    cells,
    edges,
    clock,
    keys,
    secrets: { masterKeys, edgeKeys },
    logLines,
    startEdge: async (at) => startEdgeOf(deployment, { near: names[at] ?? '', port: await freePort() }),
    client: (at, bearer, baseUrl = edges[at] ?? '') =>
      createClient(routes, {
        baseUrl,
        fetch: checkedFetch,
        publishableKey: keys.publishable,
        bearer: () => bearer,
      }),
    stop,
  }
}

/** The headers of a request to the core, as an edge that has `edgeKeys` signs it. */
export const signCoreCall = (call: CoreCall, edgeKeys: string, signedAt: number): Headers => {
  const [key] = parseNamedKeys(edgeKeys)
  const headers = new Headers({
    [edgeHeaders.principal]: encodePrincipal(call.principal),
    [edgeHeaders.cell]: cell,
    [edgeHeaders.deadline]: '5000',
    'x-request-id': randomUUID(),
    ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...call.headers,
  })
  const parts = { method: call.method, target: call.path, signedAt, header: (name: string) => headers.get(name) }
  const bytes = signedBytes(parts, new TextEncoder().encode(call.body ?? ''))
  const mac = createHmac('sha256', key.secret).update(bytes).digest('hex')
  headers.set(edgeHeaders.signature, encodeSignature({ keyId: key.keyId, signedAt, mac }))
  return headers
}

/** Asks again until it is so, at most `withinMs`. Answers how many milliseconds it took. */
export const eventually = async (isSo: () => Promise<boolean>, withinMs: number): Promise<number> => {
  const startedAt = performance.now()
  while (!(await isSo())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not so within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - startedAt
}
