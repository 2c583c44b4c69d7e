import { randomBytes } from 'node:crypto'
import { type Cell, type KeyId, newId } from '#contract/ids.ts'
import { everyScope, isKeyScope, isRole, roles, scopes } from '#contract/rights.ts'
import type { Db } from '#db/client.ts'
import { type ApiKeyKind, type ApiKeyRow, insertApiKey } from '#db/keys.ts'
import { sha256 } from './secrets.ts'

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
  /** Of a publishable key: where those who sign up with it are at home; absent, in the cell nearest to them. */
  readonly homeCell?: Cell | undefined
  /** Of a server key, at least one: what it may do, or `*`. */
  readonly scopes: readonly string[]
  /** Of an operator key. */
  readonly role: string | undefined
  readonly cell: Cell
  readonly now: Date
}

export type MadeApiKey = { readonly keyId: KeyId; readonly key: string }

/**
 * Makes a key that is good until it is revoked, and stores its hash. The key itself is in the answer and nowhere else.
 * @throws Error that says what is wrong with the request
 */
export const createApiKey = async (db: Db, given: NewApiKey): Promise<MadeApiKey> => {
  const { kind, name, cell, now } = given
  const rights = { origins: originsOf(given), homeCell: homeOf(given), scopes: scopesOf(given), role: roleOf(given) }
  return storeApiKey(db, { kind, name, ...rights, operatorId: null, expiresAt: null, cell, now })
}

/** Stores the hash of a new key, and answers with the key. */
export const storeApiKey = async (
  db: Db,
  {
    cell,
    now,
    ...row
  }: Partial<Pick<ApiKeyRow, 'homeCell'>> &
    Omit<ApiKeyRow, 'homeCell' | 'keyId' | 'prefix' | 'hash' | 'createdAt' | 'revokedAt' | 'version'> &
    Pick<NewApiKey, 'cell' | 'now'>,
): Promise<MadeApiKey> => {
  const key = `${prefixes[row.kind]}_${randomBytes(secretBytes).toString('base64url')}`
  const keyId = newId('key', cell, now.getTime())
  const shown = { prefix: key.slice(0, shownLength), hash: sha256(key) }
  await insertApiKey(db, { homeCell: null, ...row, ...shown, keyId, createdAt: now, version: now.getTime() })
  return { keyId, key }
}

const originsOf = ({ kind, origins }: NewApiKey): string[] => {
  const bad = origins.find((origin) => !originPattern.test(origin))
  if (bad !== undefined) throw new Error(`not a web origin such as https://game.example: ${bad}`)
  if (kind !== 'publishable' && origins.length > 0) throw new Error('only a publishable key has origins')
  return [...origins]
}

const homeOf = ({ kind, homeCell }: NewApiKey): Cell | null => {
  if (kind !== 'publishable' && homeCell !== undefined) throw new Error('only a publishable key has a home')
  return homeCell ?? null
}

const scopesOf = ({ kind, scopes: given }: NewApiKey): string[] => {
  const known = `${Object.keys(scopes).join(', ')}, or ${everyScope} for all`
  const bad = given.find((scope) => !isKeyScope(scope))
  if (bad !== undefined) throw new Error(`there is no scope ${bad}: a scope is ${known}`)
  if (kind !== 'server' && given.length > 0) throw new Error('only a server key has scopes')
  if (kind === 'server' && given.length === 0) throw new Error(`a server key needs a scope: ${known}`)
  return [...new Set(given)]
}

const roleOf = ({ kind, role }: NewApiKey): ApiKeyRow['role'] => {
  if (kind !== 'operator' && role !== undefined) throw new Error('only an operator key has a role')
  if (kind !== 'operator') return null
  if (!isRole(role)) throw new Error(`an operator's role is one of ${roles.join(', ')}`)
  return role
}
