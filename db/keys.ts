import { and, eq, isNull, sql } from 'drizzle-orm'
import { bigint, check, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { KeyId, OperatorId } from '#contract/ids.ts'
import type { Db } from './client.ts'
import { id, moment } from './columns.ts'

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
    /** An operator's role. */
    role: text('role'),
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

export const insertApiKey = async (db: Db, key: Omit<ApiKeyRow, 'revokedAt'>): Promise<void> => {
  await db.insert(apiKeys).values(key)
}

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

/** A key that was not revoked, by the unique index on its hash; undefined when there is none. */
export const findLiveApiKey = async (db: Db, kind: ApiKeyKind, hash: string): Promise<ApiKeyRow | undefined> => {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hash), eq(apiKeys.kind, kind), isNull(apiKeys.revokedAt)))
  return row
}

/** Every API key, oldest first. A deployment has tens of them. */
export const listApiKeys = (db: Db): Promise<ApiKeyRow[]> => db.select().from(apiKeys).orderBy(apiKeys.keyId)

/** Every signing key, oldest first. */
export const listSigningKeys = (db: Db): Promise<SigningKeyRow[]> =>
  db.select().from(signingKeys).orderBy(signingKeys.createdAt, signingKeys.keyId)

/** Revokes a key of either table. False when there is none or it was revoked before. */
export const revokeKey = async (db: Db, keyId: KeyId, now: Date): Promise<boolean> => {
  const revoke = (table: typeof apiKeys | typeof signingKeys) =>
    db
      .update(table)
      .set({ revokedAt: now })
      .where(and(eq(table.keyId, keyId), isNull(table.revokedAt)))
      .returning({ keyId: table.keyId })
  const revoked = [...(await revoke(apiKeys)), ...(await revoke(signingKeys))]
  return revoked.length > 0
}
