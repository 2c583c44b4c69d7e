import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { CallError, type Client, createClient } from '#contract/client.ts'
import type { PlayerId } from '#contract/ids.ts'
import { routes } from '#contract/routes.ts'

/** Where the demo goes, and with which keys. */
export const targetSchema = z.object({
  edgeUrl: z.url(),
  publishableKey: z.string().min(1),
  serverKey: z.string().min(1),
  operatorKey: z.string().min(1).optional(),
})
export type Target = z.infer<typeof targetSchema>

/** Says what the next calls are about. */
export const step = (text: string): void => console.log(`\n${text}`)

/** @throws Error with the message, when what the demo says is not so */
export const expectThat: (condition: boolean, message: string) => asserts condition = (condition, message) => {
  if (!condition) throw new Error(message)
}

/** The error that a call must end with. @throws Error when it succeeds */
export const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
  try {
    await call
  } catch (error) {
    if (error instanceof CallError) return error
    throw error
  }
  throw new Error('the call should have been refused and was not')
}

/** From where a caller on this machine calls: a cell, and a continent that it is nearest to. */
export type Place = { readonly cell: string; readonly continent: string }

/**
 * Calls from there, and prints each call as it is answered: what was asked, status, latency, which tier answered.
 * Elsewhere Cloudflare says where a call comes from; here Miniflare takes this header for Cloudflare's own word.
 */
const tracedFetch =
  (place: Place | undefined) =>
  async (request: Request): Promise<Response> => {
    if (place) request.headers.set('mf-cf-blob', JSON.stringify({ continent: place.continent }))
    const startedAt = performance.now()
    const response = await fetch(request)
    const ms = (performance.now() - startedAt).toFixed(1).padStart(7)
    const asked = `${request.method.padEnd(5)} ${new URL(request.url).pathname}${place ? `, near ${place.cell}` : ''}`
    const cacheStatus = response.headers.get('cache-status')
    console.log(`    ${asked.padEnd(76)} ${response.status} ${ms} ms${cacheStatus ? `  ${cacheStatus}` : ''}`)
    return response
  }

/** A player who is signed in. */
export type Player = {
  readonly id: PlayerId
  readonly deviceId: string
  /** The sign-in made them. */
  readonly created: boolean
  readonly client: Client<typeof routes>
}

/** Signs a device in, from `place` where it is given. @throws CallError as the route says */
export const signIn = async (
  target: Target,
  {
    deviceId = `demo-${randomUUID()}`,
    displayName,
    place,
  }: {
    readonly deviceId?: string
    readonly displayName?: string
    readonly place?: Place
  },
): Promise<Player> => {
  const options = { baseUrl: target.edgeUrl, fetch: tracedFetch(place), publishableKey: target.publishableKey }
  const guest = createClient(routes, options)
  const { body } = await guest.signInWithDevice({ body: { deviceId, ...(displayName ? { displayName } : {}) } })
  const client = createClient(routes, { ...options, bearer: () => body.accessToken })
  return { id: body.player.id, deviceId, created: body.created, client }
}

/** The title's own server, which acts with the server key. */
export const serverOf = (target: Target): Client<typeof routes> =>
  createClient(routes, { baseUrl: target.edgeUrl, fetch: tracedFetch(undefined), bearer: () => target.serverKey })

/** Somebody who runs the title, with a key that may publish. */
export const operatorOf = (target: Target): Client<typeof routes> =>
  createClient(routes, { baseUrl: target.edgeUrl, fetch: tracedFetch(undefined), bearer: () => target.operatorKey })

/** A read may reach another isolate than the one before; so many may miss before one must hit. */
const readsMax = 5

/** Reads a player's profile until a cache has it. @throws Error when the first read is no miss, or none is a hit */
export const readUntilHit = async (reader: Player, playerId: PlayerId): Promise<void> => {
  const statuses: string[] = []
  while (statuses.length < readsMax && !statuses.at(-1)?.includes('hit'))
    statuses.push((await reader.client.getProfile({ params: { playerId } })).headers.get('cache-status') ?? '')
  expectThat(statuses[0]?.includes('fwd=miss') === true, 'the first read is a miss')
  expectThat(statuses.at(-1)?.includes('hit') === true, 'a later read is a hit')
}
