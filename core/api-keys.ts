import { randomBytes } from 'node:crypto'
import { type Cell, type KeyId, newId } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import { type ApiKeyKind, insertApiKey } from '#db/keys.ts'
import { sha256 } from './secrets.ts'

export const operatorRoles = ['viewer', 'editor', 'publisher'] as const

const prefixes: Record<ApiKeyKind, string> = { publishable: 'pk', server: 'sk', operator: 'ok' }
const secretBytes = 24
/** What is kept to recognise a key by: too little to guess the rest from. */
const shownLength = 9
const originPattern = /^(\*|https?:\/\/[a-z0-9.-]+(:\d{1,5})?)$/

export type NewApiKey = {
  readonly kind: ApiKeyKind
  /** 1 to 64 characters, for people. */
  readonly name: string
  /** Of a publishable key: web origins such as `https://game.example`, or `*`. */
  readonly origins: readonly string[]
  /** Of an operator key. */
  readonly role: string | undefined
  readonly cell: Cell
  readonly now: Date
}

/**
 * Makes a key and stores its hash. The key itself is in the answer and nowhere else.
 * @throws Error that says what is wrong with the request
 */
export const createApiKey = async (
  db: Db,
  { kind, name, origins, role, cell, now }: NewApiKey,
): Promise<{ keyId: KeyId; key: string }> => {
  const bad = origins.find((origin) => !originPattern.test(origin))
  if (bad !== undefined) throw new Error(`not a web origin such as https://game.example: ${bad}`)
  if (kind !== 'publishable' && origins.length > 0) throw new Error('only a publishable key has origins')
  if (kind === 'operator' && !operatorRoles.some((known) => known === role))
    throw new Error(`an operator's role is one of ${operatorRoles.join(', ')}`)
  if (kind !== 'operator' && role !== undefined) throw new Error('only an operator key has a role')

  const key = `${prefixes[kind]}_${randomBytes(secretBytes).toString('base64url')}`
  const keyId = newId('key', cell, now.getTime())
  await insertApiKey(db, {
    keyId,
    kind,
    name,
    prefix: key.slice(0, shownLength),
    hash: sha256(key),
    origins: [...origins],
    role: role ?? null,
    scopes: kind === 'server' ? ['*'] : [],
    operatorId: null,
    createdAt: now,
    expiresAt: null,
    version: now.getTime(),
  })
  return { keyId, key }
}
