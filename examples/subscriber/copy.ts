import type postgres from 'postgres'
import { type Data, listOf, objectOf, type PerigeeEvent, textOf } from './event.ts'

/**
 * Takes an event over into our own tables, in one transaction. May be called with the same event again, and with those of one
 * subject in any order. A type that we do not know is passed over: Perigee may emit more of them tomorrow.
 */
export const takeOver = async (sql: postgres.Sql, event: PerigeeEvent): Promise<void> => {
  const take = takers.get(event.type)
  if (take) await sql.begin((tx) => take(tx, event))
}

type Taker = (tx: postgres.TransactionSql, event: PerigeeEvent) => Promise<void>

const takePlayer: Taker = async (tx, { data, version }) => {
  await tx`
    insert into wallet_copy.players (player_id, version, display_name)
    values (${textOf(data, 'playerId')}, ${version}, ${textOf(data, 'displayName')})
    on conflict (player_id) do update set version = excluded.version, display_name = excluded.display_name
    where players.version < excluded.version`
}

/** The event names what changed, and not to what. */
const takeProfileChange: Taker = async (tx, { data, version }) => {
  const renamed = listOf(data, 'changed').includes('displayName')
  await tx`
    insert into wallet_copy.players (player_id, version) values (${textOf(data, 'playerId')}, ${version})
    on conflict (player_id) do update set version = excluded.version,
      display_name = case when ${renamed} then null else players.display_name end
    where players.version < excluded.version`
}

const takeWalletChange: Taker = async (tx, event) => {
  const { data, version } = event
  const balances = JSON.stringify(listOf(data, 'balances'))
  // State: the newest says all, so one that is not newer is passed over. The where clause is the whole gate.
  await tx`
    insert into wallet_copy.wallets (player_id, version, balances)
    values (${textOf(data, 'playerId')}, ${version}, ${balances}::text::jsonb)
    on conflict (player_id) do update set version = excluded.version, balances = excluded.balances
    where wallets.version < excluded.version`
  if (grants(data)) await countOnce(tx, event)
}

/** A fact: each event counts, also one that came late, and none counts twice. The receipt commits with the count. */
const countOnce: Taker = async (tx, { id, data }) => {
  const receipts = await tx`
    insert into wallet_copy.receipts (event_id) values (${id}) on conflict do nothing returning event_id`
  if (receipts.length === 0) return
  await tx`
    insert into wallet_copy.grants (reason, transactions) values (${textOf(data, 'reason')}, 1)
    on conflict (reason) do update set transactions = grants.transactions + 1`
}

const grants = (data: Data): boolean => listOf(data, 'changes').some((change) => Number(objectOf(change).amount) > 0)

const takers = new Map<string, Taker>([
  ['perigee.player.created.v1', takePlayer],
  ['perigee.player.updated.v1', takeProfileChange],
  ['perigee.wallet.changed.v1', takeWalletChange],
])
