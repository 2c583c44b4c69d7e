import { type Cell, cellSchema, type PlayerId, playerIdSchema, type SessionId, sessionIdSchema } from './ids.ts'

/** The headers between edge and core. None of them is taken from a client or handed to one. */
export const edgeHeaders = {
  signature: 'perigee-signature',
  principal: 'perigee-principal',
  cell: 'perigee-cell',
  /** The caller's network address; absent where a cell asks another. */
  address: 'perigee-address',
  /** Country and continent that the caller is in, `encodePlace`; absent where a cell asks another. */
  place: 'perigee-place',
  /** Milliseconds that are left when the request is sent. */
  deadline: 'perigee-deadline-ms',
  /** The lowest version that may answer a cached read, or `primary`: see `parseFloor`. */
  floor: 'perigee-floor',
  /** Answer to a cached read: the version of the row, and as of when it is true (ms since 1970). */
  version: 'perigee-version',
  readAt: 'perigee-read-at',
  /** Answer to a write: the tags that it moved, `encodeMoved`. */
  moved: 'perigee-moved',
} as const

/** A body at the most, bytes. */
export const bodyBytesMax = 65_536

/** How far the clocks of edge and core may differ, milliseconds. A replay inside it meets its own idempotency key. */
export const skewMaxMs = 30_000

/**
 * Who a request acts as. The edge has verified a client's key and a player's token; a server's or an operator's key
 * travels in `Authorization` and is verified by the core. A `cell` is the core of another one, which asks for itself.
 */
export type EdgePrincipal =
  | { readonly kind: 'public' }
  | { readonly kind: 'client'; readonly keyId: string }
  | { readonly kind: 'player'; readonly playerId: PlayerId; readonly sessionId: SessionId; readonly epoch: number }
  | { readonly kind: 'server' }
  | { readonly kind: 'operator' }
  | { readonly kind: 'cell'; readonly cell: Cell }

export const encodePrincipal = (principal: EdgePrincipal): string => {
  switch (principal.kind) {
    case 'player':
      return `player ${principal.playerId} ${principal.sessionId} ${principal.epoch}`
    case 'client':
      return `client ${principal.keyId}`
    case 'cell':
      return `cell ${principal.cell}`
    default:
      return principal.kind
  }
}

/** The inverse of `encodePrincipal`; undefined for any other text. */
export const parsePrincipal = (text: string): EdgePrincipal | undefined => {
  const [kind, first, second, third, ...more] = text.split(' ')
  if (more.length > 0) return undefined
  if ((kind === 'public' || kind === 'server' || kind === 'operator') && first === undefined) return { kind }
  if (kind === 'client' && first && second === undefined) return { kind, keyId: first }
  if (kind === 'cell' && second === undefined) {
    const cell = cellSchema.safeParse(first)
    return cell.success ? { kind, cell: cell.data } : undefined
  }
  if (kind !== 'player' || !/^\d{1,10}$/.test(third ?? '')) return undefined
  const playerId = playerIdSchema.safeParse(first)
  const sessionId = sessionIdSchema.safeParse(second)
  return playerId.success && sessionId.success
    ? { kind, playerId: playerId.data, sessionId: sessionId.data, epoch: Number(third) }
    : undefined
}

/** Where a caller is, in two letters each; undefined for what is not known. */
export type Place = { readonly country: string | undefined; readonly continent: string | undefined }

export const encodePlace = ({ country, continent }: Place): string => `${country ?? '-'} ${continent ?? '-'}`

/** The inverse of `encodePlace`; nothing is known from any other text. */
export const parsePlace = (text: string | undefined): Place => {
  const [, country, continent] = /^([A-Z0-9]{2}|-) ([A-Z0-9]{2}|-)$/.exec(text ?? '') ?? []
  return { country: country === '-' ? undefined : country, continent: continent === '-' ? undefined : continent }
}

/** The lowest version that may answer a cached read; `primary` where no replica may answer it at all. */
export type Floor = number | 'primary'

/** Reads the header `perigee-floor`. Absent it is 0; a text that is no version asks for the one answer that is never too old. */
export const parseFloor = (text: string | undefined): Floor => {
  if (text === undefined) return 0
  return /^\d{1,16}$/.test(text) ? Number(text) : 'primary'
}

const pathEndOf = (target: string): number => {
  const queryAt = target.indexOf('?')
  return queryAt < 0 ? target.length : queryAt
}

/**
 * A target as it goes to a core: with a slash behind its path. Cloud Run keeps paths that end in z from its services, and an id may end in
 * it. Signed, and gone by at the core, is the target without.
 * @see https://cloud.google.com/run/docs/known-issues
 */
export const wireTargetOf = (target: string): string => {
  const end = pathEndOf(target)
  return `${target.slice(0, end)}/${target.slice(end)}`
}

/** The inverse of `wireTargetOf`; a target that came without the slash is what it is. */
export const targetOfWire = (wire: string): string => {
  const end = pathEndOf(wire)
  return wire[end - 1] === '/' ? wire.slice(0, end - 1) + wire.slice(end) : wire
}

/** What the signature covers beside the body: everything that changes what the core does. */
export type SignedParts = {
  readonly method: string
  /** Path with query, as sent. */
  readonly target: string
  /** When it was signed, milliseconds since 1970. */
  readonly signedAt: number
  readonly header: (name: string) => string | null | undefined
}

const signedHeaders = [
  edgeHeaders.principal,
  edgeHeaders.cell,
  edgeHeaders.address,
  edgeHeaders.place,
  edgeHeaders.deadline,
  edgeHeaders.floor,
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
] as const

/** The bytes that are signed: one line a part (no part can hold a line break), then the body as it is. */
export const signedBytes = (parts: SignedParts, body: Uint8Array): Uint8Array => {
  const lines = [
    parts.method,
    parts.target,
    String(parts.signedAt),
    ...signedHeaders.map((name) => parts.header(name) ?? ''),
  ]
  const head = new TextEncoder().encode(`${lines.join('\n')}\n`)
  const bytes = new Uint8Array(head.length + body.length)
  bytes.set(head)
  bytes.set(body, head.length)
  return bytes
}

export type Signature = { readonly keyId: string; readonly signedAt: number; readonly mac: string }

export const encodeSignature = ({ keyId, signedAt, mac }: Signature): string => `v1 ${keyId} ${signedAt} ${mac}`

/** The inverse of `encodeSignature`; undefined for any other text. */
export const parseSignature = (text: string): Signature | undefined => {
  const match = /^v1 ([\w-]{1,32}) (\d{1,16}) ([0-9a-f]{64})$/.exec(text)
  const [, keyId, signedAt, mac] = match ?? []
  return keyId && signedAt && mac ? { keyId, signedAt: Number(signedAt), mac } : undefined
}

export type NamedKey = { readonly keyId: string; readonly secret: Uint8Array }

/**
 * Reads `id:base64,id:base64`: the first key signs, all verify, so that a key can be changed without a gap.
 * @throws Error that names what is wrong, never the secret
 */
export const parseNamedKeys = (text: string): [NamedKey, ...NamedKey[]] => {
  const keys = text.split(',').map((pair) => {
    const [keyId = '', secret = ''] = pair.trim().split(':')
    if (!/^[\w-]{1,32}$/.test(keyId))
      throw new Error('must be id:base64, with an id of 1 to 32 letters, digits, _ or -')
    const bytes = Uint8Array.from(decodeBase64(secret), (char) => char.charCodeAt(0))
    if (bytes.length < 32) throw new Error(`the secret of key ${keyId} is shorter than 32 bytes`)
    return { keyId, secret: bytes }
  })
  return keys as [NamedKey, ...NamedKey[]]
}

const decodeBase64 = (text: string): string => {
  try {
    return atob(text)
  } catch {
    throw new Error('must be id:base64; a secret is not base64')
  }
}

/** Tags and versions as one header: `tag=version` joined by commas. Tags hold neither. */
export const encodeMoved = (moved: readonly { readonly tag: string; readonly version: number }[]): string =>
  moved.map(({ tag, version }) => `${tag}=${version}`).join(',')

/** The inverse of `encodeMoved`; parts that do not parse are left out. */
export const parseMoved = (text: string): { tag: string; version: number }[] =>
  text.split(',').flatMap((part) => {
    const [, tag, version] = /^([!-+\--<>-~]{1,200})=(\d{1,16})$/.exec(part) ?? []
    return tag && version ? [{ tag, version: Number(version) }] : []
  })
