import * as z from 'zod'
import { encodePrincipal } from '#contract/edge-request.ts'
import { type Moved, movedSchema } from '#contract/events.ts'
import type { Exchange } from './exchange.ts'
import type { Hmac } from './hmac.ts'

/** What a caller has written, and therefore must be able to read. */
export type Floor = {
  /** No entry of the tag below this version will do. */
  versionOf(tag: string): number
  /** No entry that was read before this will do, ms since 1970; 0 is no limit. */
  readonly since: number
}

/** `Perigee-Consistency`: an opaque token that a caller echoes so as to read what it wrote. */
export type Consistency = {
  /** A token for what was moved now, merged with the tokens that came with the request. */
  issue(exchange: Exchange, moved: readonly Moved[]): Promise<string>
  /** What the tokens of a request ask for. A token that is not ours, not this caller's or too old asks for nothing. */
  floorOf(exchange: Exchange): Promise<Floor>
}

/** After this the caches have long heard of a write. */
const lifeMs = 60_000
/** A caller who moved more than this is served nothing older than the token, whatever it is. */
const tagsMax = 8
/** The clocks of edges and cores differ by less: what a core read later than this after a write has seen it. */
const skewMs = 1_000
/** Tokens in one header: parallel writes each bring one. More do not fit into the headers that the edge takes. */
const tokensMax = 64

const claimsSchema = z.object({
  since: z.int().nonnegative(),
  moved: z.array(movedSchema.extend({ at: z.int() })).max(tagsMax),
})
type Claims = z.infer<typeof claimsSchema>

const nothing: Floor = { versionOf: () => 0, since: 0 }

export const createConsistency = (hmac: Hmac): Consistency => {
  const read = async (exchange: Exchange): Promise<Claims[]> => {
    const header = exchange.headers.get('perigee-consistency')
    if (!header) return []
    const tokens = header.split(',', tokensMax).map((token) => decode(hmac, exchange, token.trim()))
    return (await Promise.all(tokens)).filter((claims) => claims !== undefined)
  }
  return {
    issue: async (exchange, moved) => {
      const now = Date.now()
      const fresh = { since: 0, moved: moved.map((one) => ({ ...one, at: now })) }
      return encode(hmac, exchange, merge([...(await read(exchange)), fresh], now))
    },
    floorOf: async (exchange) => {
      const tokens = await read(exchange)
      if (tokens.length === 0) return nothing
      const { since, moved } = merge(tokens, Date.now())
      const versions = new Map(moved.map(({ tag, version }) => [tag, version]))
      return { since, versionOf: (tag) => versions.get(tag) ?? 0 }
    },
  }
}

/** The highest version of each tag that is young enough; more tags than a token holds become a time. */
const merge = (tokens: readonly Claims[], now: number): Claims => {
  const highest = new Map<string, Claims['moved'][number]>()
  for (const one of tokens.flatMap(({ moved }) => moved)) {
    const known = highest.get(one.tag)
    if (one.at + lifeMs > now && (!known || known.version < one.version)) highest.set(one.tag, one)
  }
  const since = Math.max(0, ...tokens.map((token) => token.since).filter((at) => at + lifeMs > now))
  const moved = [...highest.values()]
  if (moved.length <= tagsMax) return { since, moved }
  // By when they moved, not by now: what is read after that will do, each time that these tokens are sent.
  return { since: Math.max(since, ...moved.map(({ at }) => at + skewMs)), moved: [] }
}

const encode = async (hmac: Hmac, exchange: Exchange, claims: Claims): Promise<string> => {
  const payload = btoa(JSON.stringify(claims))
  const { keyId, mac } = await hmac.sign(signedText(exchange, payload))
  return `${keyId}.${payload}.${mac}`
}

const tokenPattern = /^([\w-]{1,32})\.([A-Za-z0-9+/=]{1,4096})\.([0-9a-f]{64})$/

const decode = async (hmac: Hmac, exchange: Exchange, token: string): Promise<Claims | undefined> => {
  const [, keyId, payload, mac] = tokenPattern.exec(token) ?? []
  if (!keyId || !payload || !mac) return undefined
  const bytes = Uint8Array.from(mac.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  if (!(await hmac.verify(keyId, bytes, signedText(exchange, payload)))) return undefined
  // Another release may have signed it in another form.
  return claimsSchema.safeParse(JSON.parse(atob(payload))).data
}

/** The first line sets these hashes apart from those of requests to the core, which begin with a method. */
const signedText = ({ principal }: Exchange, payload: string) => {
  const subject = principal.kind === 'player' ? principal.playerId : encodePrincipal(principal)
  return new TextEncoder().encode(`consistency\n${subject}\n${payload}`)
}
