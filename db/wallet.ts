import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { bigint, check, index, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { type Cell, newId, type PlayerId, type TransactionId } from '#contract/ids.ts'
import type { Db, Tx } from './client.ts'
import { id, moment } from './columns.ts'
import { insertEvents } from './outbox.ts'
import { players } from './players.ts'

/** The currencies of a deployment, in whole units. */
export const currencies = pgTable(
  'currencies',
  {
    code: text('code').primaryKey(),
    cap: bigint('cap', { mode: 'number' }).notNull(),
    /** Which of two states of a currency is the newer one: cells that follow the control cell go by it. */
    version: bigint('version', { mode: 'number' }).notNull().default(0),
  },
  (table) => [check('currencies_cap', sql`${table.cap} between 1 and 9007199254740991`)],
)

/**
 * A player's balances in one row: one lock guards all of them, and a statement that waited for it reads them all anew
 * (rows of a child table would be read as they were before the wait).
 */
export const wallets = pgTable(
  'wallets',
  {
    playerId: id<PlayerId>('player_id')
      .primaryKey()
      .references(() => players.playerId),
    /** Currency -> amount; an absent currency is 0. */
    balances: jsonb('balances').$type<Record<string, number>>().notNull(),
    /** Below zero once the player is no more: the balances are still the sum of the ledger, and nothing moves them again. */
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (table) => [check('wallets_not_negative', sql`not jsonb_path_exists(${table.balances}, '$.* ? (@ < 0)')`)],
)

/**
 * One row a change of a wallet, for ever: who, why, and the answer that they got. `reference` is their Idempotency-Key; for an
 * item of a batch, that of the batch with the item's place; for what is given once, what that is, with a space in it, as no key
 * has one.
 */
export const walletTransactions = pgTable(
  'wallet_transactions',
  {
    transactionId: id<TransactionId>('transaction_id').primaryKey(),
    playerId: id<PlayerId>('player_id').notNull(),
    principal: text('principal').notNull(),
    reference: text('reference').notNull(),
    fingerprint: text('fingerprint').notNull(),
    reason: text('reason').notNull(),
    answer: text('answer').notNull(),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('wallet_transactions_reference').on(table.principal, table.reference),
    index('wallet_transactions_player').on(table.playerId, table.transactionId),
  ],
)

/** The ledger: one row a currency that a transaction touched. Never updated, never deleted; a balance is their sum. */
export const walletEntries = pgTable(
  'wallet_entries',
  {
    playerId: id<PlayerId>('player_id').notNull(),
    transactionId: id<TransactionId>('transaction_id').notNull(),
    currency: text('currency').notNull(),
    amount: bigint('amount', { mode: 'number' }).notNull(),
    balanceAfter: bigint('balance_after', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.playerId, table.transactionId, table.currency] }),
    check('wallet_entries_amount', sql`${table.amount} <> 0`),
    check('wallet_entries_balance', sql`${table.balanceAfter} >= 0`),
  ],
)

export type CurrencyRow = typeof currencies.$inferSelect

/** Declares a currency or changes its cap. A balance above a lowered cap stays and can be spent. */
export const upsertCurrency = async (
  db: Db,
  { code, cap, now }: { readonly code: string; readonly cap: number; readonly now: Date },
): Promise<CurrencyRow> => {
  const [row] = await db
    .insert(currencies)
    .values({ code, cap, version: now.getTime() })
    .onConflictDoUpdate({
      target: currencies.code,
      set: { cap, version: sql`greatest(${currencies.version} + 1, ${now.getTime()}::bigint)` },
    })
    .returning()
  if (!row) throw new Error('an upsert returned no row')
  return row
}

/** Tells the other cells of currencies as they are now. */
export const tellCurrencies = (
  tx: Tx,
  rows: readonly CurrencyRow[],
  { cell, now }: { readonly cell: Cell; readonly now: Date },
): Promise<void> =>
  insertEvents(
    tx,
    rows.map(({ version, ...currency }) => ({
      eventId: newId('event', cell, now.getTime()),
      type: 'perigee.replica.currency.v1',
      aggregate: `currency:${currency.code}`,
      version,
      data: currency,
      moved: [],
      traceparent: '',
      occurredAt: now,
    })),
  )

/** What the control cell says of a currency: stored where it is newer than what is known. By the primary key. */
export const followCurrency = async (db: Db, currency: CurrencyRow): Promise<void> => {
  await db
    .insert(currencies)
    .values(currency)
    .onConflictDoUpdate({
      target: currencies.code,
      set: currency,
      setWhere: sql`${currencies.version} < ${currency.version}`,
    })
}

/** Every currency by its code. A deployment has tens of them. */
export const listCurrencies = (db: Db) => db.select().from(currencies).orderBy(asc(currencies.code))

/** Every declared currency with the player's balance, by code; undefined when the player has no wallet, or none any more. */
export const findBalances = async (
  db: Db,
  playerId: PlayerId,
): Promise<{ currency: string; amount: number }[] | undefined> => {
  const [row] = await db
    .select({ balances: wallets.balances, declared: sql<string[]>`array(select code from currencies order by code)` })
    .from(wallets)
    .where(and(eq(wallets.playerId, playerId), gt(wallets.version, 0)))
  return row?.declared.map((currency) => ({ currency, amount: row.balances[currency] ?? 0 }))
}
