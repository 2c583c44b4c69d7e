import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type SessionId, sessionIdSchema } from '#contract/ids.ts'
import { type Secrets, sha256 } from '#core/secrets.ts'

/**
 * One link in a session's chain of refresh tokens. Each secret is a keyed hash of the one before, so the successor of a
 * token can be told again without storing it, and neither the database nor the key alone is enough to make one.
 */
export type RefreshToken = {
  readonly sessionId: SessionId
  /** Whether a refresh needs a proof by the session's device; it stays the same along the chain. */
  readonly bound: boolean
  /** The master key that the chain hangs on; it stays the same along the chain. */
  readonly keyId: string
  readonly generation: number
  readonly secret: string
}

const secretBytes = 32
const tagBytes = 16
/** A token says itself whether it is bound, so that a refresh of one that is not looks nothing up. */
const formOf = ({ bound }: RefreshToken) => (bound ? 'rb' : 'rt')
const tokenPattern = /^(rt|rb)\.([a-z0-9_]{1,64})\.([\w-]{1,32})\.(0|[1-9]\d{0,9})\.([\w-]{43})\.([\w-]{22})$/

/** The first token of a new chain, under the newest master key. */
export const firstToken = (secrets: Secrets, sessionId: SessionId, bound = false): RefreshToken => ({
  sessionId,
  bound,
  keyId: secrets.newest,
  generation: 0,
  secret: randomBytes(secretBytes).toString('base64url'),
})

/** The token after this one; the same whenever it is asked for. */
export const successorOf = (secrets: Secrets, token: RefreshToken): RefreshToken => ({
  ...token,
  generation: token.generation + 1,
  secret: mac(secrets, token, 'next').toString('base64url'),
})

/** What is stored of a token. */
export const tokenHash = (token: RefreshToken): string => sha256(token.secret)

export const encodeToken = (secrets: Secrets, token: RefreshToken): string =>
  [formOf(token), token.sessionId, token.keyId, token.generation, token.secret, tagOf(secrets, token)].join('.')

/**
 * The inverse of `encodeToken`. Undefined for anything that this deployment did not issue: the tag tells, so that a guess
 * is never taken for the reuse of a real token.
 */
export const parseToken = (secrets: Secrets, text: string): RefreshToken | undefined => {
  const [, form, session, keyId = '', generation, secret = '', tag = ''] = tokenPattern.exec(text) ?? []
  const sessionId = sessionIdSchema.safeParse(session)
  if (!sessionId.success || !secrets.derive('refresh-token', keyId)) return undefined
  const token = { sessionId: sessionId.data, bound: form === 'rb', keyId, generation: Number(generation), secret }
  // As text: another spelling of the same bits is another token.
  return timingSafeEqual(Buffer.from(tagOf(secrets, token)), Buffer.from(tag)) ? token : undefined
}

const tagOf = (secrets: Secrets, token: RefreshToken) =>
  mac(secrets, token, token.bound ? 'bound tag' : 'tag')
    .subarray(0, tagBytes)
    .toString('base64url')

const mac = (
  secrets: Secrets,
  { sessionId, keyId, generation, secret }: RefreshToken,
  purpose: 'next' | 'tag' | 'bound tag',
) => {
  const key = secrets.derive('refresh-token', keyId)
  if (!key) throw new Error(`master key ${keyId} was taken away while a token of it was in hand`)
  return createHmac('sha256', key).update(`${purpose} ${sessionId} ${generation} ${secret}`).digest()
}
