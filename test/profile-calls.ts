import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { PlayerId } from '#contract/ids.ts'
import { getProfile, updateOwnProfile } from '#contract/players.ts'
import { fill } from '#contract/route.ts'
import type { World } from './harness.ts'

/** A player who calls through isolates of the edge. */
export type Caller = { readonly playerId: PlayerId; readonly accessToken: string }

export type ProfileRead = {
  readonly status: number
  /** Of the row that the answer shows; NaN for an answer without a profile. */
  readonly version: number
  readonly displayName: string | undefined
  /** The tier that answered: `memory`, `data-centre`, `upstash`, `core` or `core-unreachable`. */
  readonly tier: string
  /** Milliseconds since 1970, by the clock of whoever asked. */
  readonly sentAt: number
  readonly answeredAt: number
}

/** Beyond what an edge takes for any call. */
const answerMaxMs = 10_000
const nameSchema = z.object({ displayName: z.string() })

/** New players, signed in: their access tokens are good for ten minutes, which is what a run of them may last. */
export const signInCallers = async (world: World, baseUrl: string, count: number): Promise<Caller[]> => {
  const client = world.client({ baseUrl })
  const signIn = async (): Promise<Caller> => {
    const { body } = await client.signInWithDevice({ body: { deviceId: randomUUID() } })
    return { playerId: body.player.id, accessToken: body.accessToken }
  }
  return Promise.all(Array.from({ length: count }, signIn))
}

/** Reads a profile, with consistency tokens as they stand in the header where there are any. */
export const readProfile = async (
  url: string,
  {
    caller,
    playerId,
    tokens,
  }: { readonly caller: Caller; readonly playerId: PlayerId; readonly tokens?: string | undefined },
): Promise<ProfileRead> => {
  const sentAt = Date.now()
  const response = await fetch(url + fill(getProfile.path, { playerId }), {
    headers: headersOf(caller, tokens),
    signal: AbortSignal.timeout(answerMaxMs),
  })
  const text = await response.text()
  const answeredAt = Date.now()
  const tier = /detail=([\w-]+)/.exec(response.headers.get('cache-status') ?? '')?.[1] ?? 'none'
  const version = Number.parseInt(/^"([0-9a-z]+)-/.exec(response.headers.get('etag') ?? '')?.[1] ?? '', 36)
  const displayName = response.status === 200 ? nameSchema.parse(JSON.parse(text)).displayName : undefined
  return { status: response.status, version, displayName, tier, sentAt, answeredAt }
}

const headersOf = ({ accessToken }: Caller, tokens: string | undefined) => ({
  authorization: `Bearer ${accessToken}`,
  ...(tokens === undefined ? {} : { 'perigee-consistency': tokens }),
})

/** A change that was acknowledged. */
export type Renamed = {
  /** What its answer gave to be echoed. */
  readonly token: string
  /** It was committed after this, ms since 1970. */
  readonly sentAt: number
}

/** Changes the caller's own name, and echoes tokens where there are any. @throws Error when it is not acknowledged with one */
export const rename = async (
  url: string,
  {
    caller,
    displayName,
    tokens,
  }: { readonly caller: Caller; readonly displayName: string; readonly tokens?: string | undefined },
): Promise<Renamed> => {
  const sentAt = Date.now()
  const response = await fetch(url + updateOwnProfile.path, {
    method: updateOwnProfile.method,
    headers: { ...headersOf(caller, tokens), 'content-type': 'application/json' },
    body: JSON.stringify({ displayName }),
    signal: AbortSignal.timeout(answerMaxMs),
  })
  const text = await response.text()
  const token = response.headers.get('perigee-consistency')
  if (response.status !== 200 || token === null) throw new Error(`a change was answered ${response.status} ${text}`)
  return { token, sentAt }
}
