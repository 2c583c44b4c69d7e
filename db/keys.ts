import { and, eq, gt, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import { bigint, check, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { type Cell, cellOf, type KeyId, newId, type OperatorId } from '#contract/ids.ts'
import type { Role } from '#contract/rights.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'
import { insertEvents } from './outbox.ts'

export type ApiKeyKind = 'publishable' | 'server' | 'operator'

/** Keys that callers present. The key itself is shown once and never stored. */
export const apiKeys = pgTable(
  'api_keys',
  {
    keyId: id<KeyId>('key_id').primaryKey(),
    kind: text('kind').$type<ApiKeyKind>().notNull(),
    name: text('name').notNull(),
    /** What `list` shows, so that a person recognises the key. */
    prefix: text('prefix').notNull(),
    hash: text('hash').notNull().unique('api_keys_hash'),
    /** Web origins that a publishable key allows; `*` is any. */
    origins: text('origins').array().notNull(),
    /** Where players are at home whose sign-up came with this publishable key; null for the cell nearest to them. */
    homeCell: text('home_cell').$type<Cell>(),
    /** An operator's role. */
    role: text('role').$type<Role>(),
    /** What a server key may do, `wallet:write`. */
    scopes: text('scopes').array().notNull().default([]),
    /** Whose it is, where an operator's sign-in made it. */
    operatorId: id<OperatorId>('operator_id'),
    createdAt: moment('created_at').notNull(),
    /** After this it is not good any more; null for one that lives until it is revoked. */
    expiresAt: moment('expires_at'),
    revokedAt: moment('revoked_at'),
    /** Which of two states of a key is the newer one: cells that follow the control cell go by it. */
    version: bigint('version', { mode: 'number' }).notNull().default(0),
  },
  (table) => [
    check('api_keys_kind', sql`${table.kind} in ('publishable', 'server', 'operator')`),
    check('api_keys_name', sql`char_length(${table.name}) between 1 and 64`),
    check('api_keys_origins', sql`cardinality(${table.origins}) <= 32`),
    check('api_keys_scopes', sql`cardinality(${table.scopes}) <= 32`),
  ],
)

export type PublicJwk = { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }

/** Keys that sign access tokens. The private half is encrypted under the deployment's master key. */
export const signingKeys = pgTable('signing_keys', {
  keyId: id<KeyId>('key_id').primaryKey(),
  publicJwk: jsonb('public_jwk').$type<PublicJwk>().notNull(),
  privateJwkEncrypted: text('private_jwk_encrypted').notNull(),
  createdAt: moment('created_at').notNull(),
  revokedAt: moment('revoked_at'),
})

export type ApiKeyRow = typeof apiKeys.$inferSelect
export type SigningKeyRow = typeof signingKeys.$inferSelect

/** Stores a key, and tells the other cells. */
export const insertApiKey = (db: Db, key: Omit<ApiKeyRow, 'revokedAt'>): Promise<void> =>
  db.transaction(async (tx) => tellKeys(tx, await tx.insert(apiKeys).values(key).returning(), key.createdAt))

/** Tells the other cells of keys as they are now. */
export const tellKeys = (tx: Tx, keys: readonly ApiKeyRow[], now: Date): Promise<void> =>
  insertEvents(
    tx,
    keys.map(({ version, createdAt, expiresAt, revokedAt, ...key }) => ({
      eventId: newId('event', cellOf(key.keyId), now.getTime()),
      type: 'perigee.replica.key.v1',
      aggregate: `key:${key.keyId}`,
      version,
      data: {
        ...key,
        createdAt: createdAt.toISOString(),
        expiresAt: expiresAt?.toISOString() ?? null,
        revokedAt: revokedAt?.toISOString() ?? null,
      },
      moved: [],
      traceparent: '',
      occurredAt: now,
    })),
  )

export const insertSigningKey = async (db: Db, key: Omit<SigningKeyRow, 'revokedAt'>): Promise<void> => {
  await db.insert(signingKeys).values(key)
}

/** What the control cell says of a key: stored where it is newer than what is known. By the primary key. */
export const followApiKey = async (db: Db, key: ApiKeyRow): Promise<void> => {
  await db
    .insert(apiKeys)
    .values(key)
    .onConflictDoUpdate({ target: apiKeys.keyId, set: key, setWhere: sql`${apiKeys.version} < ${key.version}` })
}

/** A key that was not revoked and has not expired, by the unique index on its hash; undefined when there is none. */
export const findLiveApiKey = async (
  db: Db,
  { kind, hash, now }: Pick<ApiKeyRow, 'kind' | 'hash'> & { readonly now: Date },
): Promise<ApiKeyRow | undefined> => {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hash), eq(apiKeys.kind, kind), isNull(apiKeys.revokedAt), isUnexpired(now)))
  return row
}

const isUnexpired = (now: Date) => or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now))

/** By the primary key, whatever became of it; undefined when there is none. */
export const findApiKey = async (db: Db, keyId: KeyId): Promise<ApiKeyRow | undefined> => {
  const [row] = await db.select().from(apiKeys).where(eq(apiKeys.keyId, keyId))
  return row
}

/** Every API key, oldest first. A deployment has tens of them, and those of its operators' sessions of the last days. */
export const listApiKeys = (db: Db): Promise<ApiKeyRow[]> => db.select().from(apiKeys).orderBy(apiKeys.keyId)

/** Every signing key, oldest first. */
export const listSigningKeys = (db: Db): Promise<SigningKeyRow[]> =>
  db.select().from(signingKeys).orderBy(signingKeys.createdAt, signingKeys.keyId)

/**
 * Revokes an API key, by the primary key, and tells the other cells. Answers what it is now; undefined when there is none or it
 * was revoked before.
 */
export const revokeApiKey = async (tx: Tx, keyId: KeyId, now: Date): Promise<ApiKeyRow | undefined> => {
  const rows = await tx
    .update(apiKeys)
    .set(revokedAt(now))
    .where(and(eq(apiKeys.keyId, keyId), isNull(apiKeys.revokedAt)))
    .returning()
  await tellKeys(tx, rows, now)
  return rows[0]
}

/** Revokes every key that an operator's sign-ins made, and tells the other cells. Reads the whole table, which is small. */
export const revokeApiKeysOf = async (tx: Tx, operatorId: OperatorId, now: Date): Promise<void> => {
  const rows = await tx
    .update(apiKeys)
    .set(revokedAt(now))
    .where(and(eq(apiKeys.operatorId, operatorId), isNull(apiKeys.revokedAt)))
    .returning()
  await tellKeys(tx, rows, now)
}

const revokedAt = (now: Date) => ({
  revokedAt: now,
  version: sql`greatest(${apiKeys.version} + 1, ${now.getTime()}::bigint)`,
})

/** False when there is no such signing key or it was revoked before. */
export const revokeSigningKey = async (db: Db, keyId: KeyId, now: Date): Promise<boolean> => {
  const revoked = await db
    .update(signingKeys)
    .set({ revokedAt: now })
    .where(and(eq(signingKeys.keyId, keyId), isNull(signingKeys.revokedAt)))
    .returning({ keyId: signingKeys.keyId })
  return revoked.length > 0
}

/** Deletes keys that expired before then, which are those of operators' sessions; answers how many went. Reads the whole table. */
export const reapExpiredKeys = async (
  db: Db,
  { before, limit }: { readonly before: Date; readonly limit: number },
): Promise<number> => {
  const old = db.select({ keyId: apiKeys.keyId }).from(apiKeys).where(lt(apiKeys.expiresAt, before)).limit(limit)
  const reaped = await db.delete(apiKeys).where(inArray(apiKeys.keyId, old)).returning({ keyId: apiKeys.keyId })
  return reaped.length
}
