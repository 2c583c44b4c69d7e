import { eq, getTableColumns, sql } from 'drizzle-orm'
import { bigint, check, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { type Cell, type EventId, newId, type PlayerId } from '#contract/ids.ts'
import type { Database, Db, Tx } from './client.ts'
import { id, moment, momentOf } from './columns.ts'
import { insertEvents } from './outbox.ts'

/**
 * The directory: what signs a player in -> the player, of whichever cell. The control cell's rows decide; those of the other
 * cells follow. The credential itself is not stored.
 */
export const credentials = pgTable(
  'credentials',
  {
    /** `device`, `email`, or the name of an issuer of ID tokens. */
    provider: text('provider').notNull(),
    credentialHash: text('credential_hash').notNull(),
    /** Null for one that was given up; the row stays, so that its version goes on. */
    playerId: id<PlayerId>('player_id'),
    /** Which of two states of a credential is the newer one, whatever order they arrive in. */
    version: bigint('version', { mode: 'number' }).notNull().default(0),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.provider, table.credentialHash] }),
    index('credentials_player').on(table.playerId).where(sql`player_id is not null`),
    check('credentials_provider', sql`char_length(${table.provider}) <= 32`),
  ],
)

/** The passwords of addresses, in the home cell of their players alone. */
export const passwords = pgTable('passwords', {
  /** Of the address, as in `credentials`. */
  credentialHash: text('credential_hash').primaryKey(),
  /** What a password is checked against, a PHC string. */
  verifier: text('verifier').notNull(),
  changedAt: moment('changed_at').notNull(),
})

export type CredentialRow = typeof credentials.$inferSelect
export type Credential = { readonly provider: string; readonly credentialHash: string }

/** Whose a credential is, as of a version. */
export type Holding = {
  readonly playerId: PlayerId | null
  readonly version: number
  readonly createdAt: Date
}

type HoldingText = Omit<Holding, 'createdAt'> & { readonly createdAt: string }

const holdingOf = (row: HoldingText | undefined): Holding | undefined =>
  row && { ...row, createdAt: new Date(row.createdAt) }

const holdingColumns = `player_id as "playerId", version, created_at as "createdAt"`

/** Where an event that leaves with a statement comes from. */
export type EventOrigin = {
  readonly eventId: EventId
  readonly traceparent: string
  readonly now: Date
  /** When who asked for it stops to wait, ms since 1970. */
  readonly deadlineAt: number
}

/**
 * SQL that tells the other cells of rows of `credentials` that have changed, or of none. `from` has them as `c`; the others are
 * SQL of an event's id, its traceparent, and its time.
 */
export const tellOthers = ({
  from,
  eventId,
  traceparent,
  at,
}: Readonly<Record<'from' | 'eventId' | 'traceparent' | 'at', string>>) => `
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select ${eventId}, 'credential:' || c.provider || ':' || c.credential_hash, c.version, 'perigee.replica.credential.v1',
    jsonb_build_object('provider', c.provider, 'credentialHash', c.credential_hash, 'playerId', c.player_id,
      'createdAt', to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
    '[]', ${traceparent}, ${momentOf(at)} from ${from}`

/**
 * Takes credentials that are nobody's; `rows` is SQL of provider, hash, player, version and time, of no credential twice.
 * `on conflict` waits for a claim in flight, up to `lock_timeout`.
 */
export const takeCredentials = (rows: string) => `
  insert into credentials as c (provider, credential_hash, player_id, version, created_at) ${rows}
  on conflict (provider, credential_hash) do update set player_id = excluded.player_id,
    version = greatest(c.version + 1, excluded.version), created_at = excluded.created_at
  where c.player_id is null
  returning *`

const tellNews = tellOthers({ from: 'c', eventId: '$5', traceparent: '$6', at: '$4' })

/** Runs a statement that changes one credential for a player, and tells whose it is then. */
const holdingAfter =
  (statement: string) =>
  async (
    database: Database,
    { provider, credentialHash }: Credential,
    { playerId, origin }: { readonly playerId: PlayerId; readonly origin: EventOrigin },
  ): Promise<Holding | undefined> => {
    const { eventId, traceparent, now, deadlineAt } = origin
    const parameters = [provider, credentialHash, playerId, now.getTime(), eventId, traceparent]
    return holdingOf((await database.statement<HoldingText>(statement, parameters, { deadlineAt }))[0])
  }

const claimStatement = `
with c as (${takeCredentials(`values ($1, $2, $3, $4, ${momentOf('$4')})`)}), o as (${tellNews})
select ${holdingColumns} from c
union all
select ${holdingColumns} from credentials where provider = $1 and credential_hash = $2 and not exists (select from c)`

/**
 * In the control cell: makes a credential a player's, if it is nobody's, and tells whose it is then. Undefined when another
 * claim has committed after the statement's snapshot: asked again it is there. By the primary key.
 */
export const claimCredential = holdingAfter(claimStatement)

const releaseStatement = `
with c as (
  update credentials set player_id = null, version = greatest(version + 1, $4::bigint)
  where provider = $1 and credential_hash = $2 and player_id = $3 returning *
), o as (${tellNews})
select ${holdingColumns} from c
union all
select ${holdingColumns} from credentials where provider = $1 and credential_hash = $2 and not exists (select from c)`

/** In the control cell: makes a credential nobody's, if it is this player's, and tells whose it is then. */
export const releaseCredential = holdingAfter(releaseStatement)

/** Whose a credential is, as far as this cell has heard; undefined for what it has never heard of. By the primary key. */
export const findHolding = async (
  database: Database,
  { provider, credentialHash }: Credential,
  deadlineAt: number,
): Promise<Holding | undefined> => {
  const statement = `select ${holdingColumns} from credentials where provider = $1 and credential_hash = $2`
  return holdingOf((await database.statement<HoldingText>(statement, [provider, credentialHash], { deadlineAt }))[0])
}

/** What the control cell says of a credential: stored where it is newer than what is known. */
export const followCredential = async (
  db: Db,
  { provider, credentialHash, playerId, version, createdAt }: Credential & Holding,
): Promise<void> => {
  await db
    .insert(credentials)
    .values({ provider, credentialHash, playerId, version, createdAt })
    .onConflictDoUpdate({
      target: [credentials.provider, credentials.credentialHash],
      set: { playerId, version, createdAt },
      setWhere: sql`${credentials.version} < ${version}`,
    })
}

/**
 * In the control cell: makes all credentials of one player another's, and answers with them as they are now; none when that
 * was done before. By the index on the player.
 */
export const moveCredentials = (
  tx: Tx,
  { from, to, now }: { readonly from: PlayerId; readonly to: PlayerId; readonly now: Date },
): Promise<CredentialRow[]> =>
  tx
    .update(credentials)
    .set({ playerId: to, version: sql`greatest(${credentials.version} + 1, ${now.getTime()}::bigint)` })
    .where(eq(credentials.playerId, from))
    .returning()

/**
 * In a cell that follows: the same in its own copy, before the control cell has heard. The versions stay, so that whatever the
 * control cell says next of a credential counts, and what it had said before does not.
 */
export const moveCopies = async (
  tx: Tx,
  { from, to }: { readonly from: PlayerId; readonly to: PlayerId },
): Promise<void> => {
  await tx.update(credentials).set({ playerId: to }).where(eq(credentials.playerId, from))
}

/** A credential of a player's, and whether it signs them in: an address without a password does not. */
export type LinkRow = CredentialRow & { readonly isUsable: boolean }

/** What signs a player in, by the index on the player; the oldest first. */
export const listCredentials = (db: Db, playerId: PlayerId): Promise<LinkRow[]> =>
  db
    .select({
      ...getTableColumns(credentials),
      isUsable: sql<boolean>`(${credentials.provider} <> 'email' or ${passwords.credentialHash} is not null)`,
    })
    .from(credentials)
    .leftJoin(passwords, eq(passwords.credentialHash, credentials.credentialHash))
    .where(eq(credentials.playerId, playerId))
    .orderBy(credentials.createdAt, credentials.provider, credentials.credentialHash)

/** The next `limit` credentials after one, from the first where there is none, in the order of the primary key. */
export const listCredentialsAfter = (db: Db, after: Credential | undefined, limit: number): Promise<CredentialRow[]> =>
  db
    .select()
    .from(credentials)
    .where(
      after &&
        sql`(${credentials.provider}, ${credentials.credentialHash}) > (${after.provider}, ${after.credentialHash})`,
    )
    .orderBy(credentials.provider, credentials.credentialHash)
    .limit(limit)

/** Tells the other cells of credentials as they are now. */
export const tellCredentials = (
  tx: Tx,
  rows: readonly CredentialRow[],
  { cell, now }: { readonly cell: Cell; readonly now: Date },
): Promise<void> =>
  insertEvents(
    tx,
    rows.map(({ version, createdAt, ...credential }) => ({
      eventId: newId('event', cell, now.getTime()),
      type: 'perigee.replica.credential.v1',
      aggregate: `credential:${credential.provider}:${credential.credentialHash}`,
      version,
      data: { ...credential, createdAt: createdAt.toISOString() },
      moved: [],
      traceparent: '',
      occurredAt: now,
    })),
  )
