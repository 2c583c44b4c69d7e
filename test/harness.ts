import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { type Client, createClient } from '#contract/client.ts'
import { type Cell, cellSchema, type PlayerId } from '#contract/ids.ts'
import { routes } from '#contract/routes.ts'
import type { Platform } from '#core/platform.ts'
import type { Database } from '#db/client.ts'
import { freePort } from '#infra/local/ports.ts'
import type { Upstash } from '#infra/local/upstash.ts'
import { checkedFetch } from './checked-fetch.ts'
import type { CoreCall } from './core-call.ts'
import { type Clock, createStops, startDeployment, startEdgeOf } from './deployment.ts'
import type { LocalOidcIssuer } from './oidc-issuer.ts'
import type { WorldReplica } from './replicated-postgres.ts'
import { type CellOptions, makeContent, startCell } from './world-cell.ts'

export const cell: Cell = cellSchema.parse('eu1')

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

/**
 * Starts a world. Every file starts its own and stops it when it is done.
 * @param options.bus `direct` leaves Pub/Sub out though there is an emulator
 * @param options.replica true for a database on servers of its own, a primary and a replica; costs two seconds
 * @param options.databaseUrl a migrated database of the caller's, on a server that can be taken away
 * @param options.redisUrl a Redis instead of the one that all files share: what a test does to all of its keys, it does to its own; empty for none
 * @param options.oidcIssuers the setting OIDC_ISSUERS, as JSON has it; the world's own issuer, if absent
 * @param options.derive computes the hashes of passwords instead of argon2id
 * @param options.traceShare the share of requests whose traces are recorded; none, if absent, but those whose callers ask for it
 * @param options.upstashReplica true for an Upstash whose reads go to a replica, as far behind as `upstash.faults.lagMs` says
 */
export const startWorld = async (
  options: CellOptions & { readonly upstashReplica?: boolean; readonly traceShare?: number } = {},
): Promise<World> => {
  const { stops, stop } = createStops()
  const edgePort = await freePort()
  const edgeUrl = `http://127.0.0.1:${edgePort}`
  const cores = { [cell]: `http://127.0.0.1:${await freePort()}` }
  const deployment = await startDeployment(options, { edgeUrl, cores })
  const { clock, logLines, masterKeys, edgeKeys, prefix, upstash } = deployment
  stops.push(() => upstash.close())

  const own = await startCell(cell, deployment, options)
  stops.push(own.stop)
  const keys = await makeContent(own, clock)
  const edge = await startEdgeOf(deployment, { near: cell, port: edgePort, traceShare: options.traceShare })
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
