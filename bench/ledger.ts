import postgres from 'postgres'
import { priorGrants } from './prefill.ts'

/** What the grants of a run must have left behind, or their figures count work that was not done. */
export type LedgerCheck = {
  readonly grants: number
  /** Grants that were answered, but are not there as claim, transaction, entry and event. 0, or the run is void. */
  readonly missing: number
  /** Wallets whose balance is not the sum of its entries. 0, or the run is void. */
  readonly wrongWallets: number
}

/** @param answered grants that were answered with success, by whichever contestant */
export const checkLedger = async (databaseUrl: string, principal: string, answered: number): Promise<LedgerCheck> => {
  const sql = postgres(databaseUrl, { max: 1 })
  try {
    const [counts] = await sql<{ least: string; wrong: string }[]>`
      select least(
          (select count(*) from idempotency_claims where principal = ${principal} and status = 200) - ${priorGrants},
          (select count(*) from wallet_transactions) - ${priorGrants},
          (select count(*) from wallet_entries) - ${priorGrants},
          (select count(*) from outbox where type = 'perigee.wallet.changed.v1')
        ) as least,
        (select count(*) from wallets left join
          (select player_id, sum(amount) as total from wallet_entries where currency = 'coins' group by player_id) sums
          using (player_id) where (balances->>'coins')::bigint is distinct from total) as wrong`
    const grants = Number(counts?.least)
    return { grants, missing: Math.max(0, answered - grants), wrongWallets: Number(counts?.wrong) }
  } finally {
    await sql.end({ timeout: 1 })
  }
}
