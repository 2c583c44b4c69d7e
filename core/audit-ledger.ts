import { setTimeout as rest } from 'node:timers/promises'
import type { PlayerId } from '#contract/ids.ts'
import { auditRange, type Difference, findNextRange, type RangeAudit } from '#db/audit.ts'
import type { Database } from '#db/client.ts'

/** What was compared so far, and how many differences there are in it. */
export type AuditTotals = Omit<RangeAudit, 'listed'>

/** One batch: its differences, and the totals up to `last`, the player after whom another audit can go on. */
export type AuditBatch = {
  readonly listed: readonly Difference[]
  readonly totals: AuditTotals
  readonly last: PlayerId
}

export type AuditOptions = {
  /** The player after whom to begin; undefined for the first. */
  readonly after: PlayerId | undefined
  /** The one player to look at; undefined for all. */
  readonly player: PlayerId | undefined
  /** Players a batch. */
  readonly batch: number
  /** Between two batches. */
  readonly pauseMs: number
  /** Differences that are listed at the most, over all batches; all are counted. */
  readonly most: number
  readonly signal: AbortSignal
}

export const noTotals: AuditTotals = { wallets: 0, entries: 0, transactions: 0, differences: 0 }

/**
 * Compares wallets with their ledger, batch after batch in the order of player ids. Each batch is seen as of one moment, and
 * nothing is held between two of them: no transaction, no lock, no more than one batch in memory. Players who come while it
 * runs may or may not be seen.
 * @throws what the database threw, or the reason of `signal`; the last batch that came is then where to go on
 */
export async function* auditLedger(database: Database, options: AuditOptions): AsyncGenerator<AuditBatch> {
  const { player, batch, pauseMs, signal } = options
  let most = options.most
  let totals = noTotals
  let range = player
    ? { first: player, last: player }
    : await findNextRange(database, { after: options.after ?? '', limit: batch })
  while (range) {
    const { listed, ...counts } = await auditRange(database, { ...range, most })
    most -= listed.length
    totals = add(totals, counts)
    yield { listed, totals, last: range.last }
    if (player) return
    if (pauseMs > 0) await rest(pauseMs, undefined, { signal })
    signal.throwIfAborted()
    range = await findNextRange(database, { after: range.last, limit: batch })
  }
}

const add = (one: AuditTotals, other: AuditTotals): AuditTotals => ({
  wallets: one.wallets + other.wallets,
  entries: one.entries + other.entries,
  transactions: one.transactions + other.transactions,
  differences: one.differences + other.differences,
})

/** Which share of the wallets comes before an id, 0 to 1, by ids that part them equally; undefined without such ids. */
export const estimateShare = (quantiles: readonly string[], last: PlayerId): number | undefined => {
  if (quantiles.length < 2) return undefined
  const passed = quantiles.filter((bound) => bound <= last).length
  return Math.max(passed - 1, 0) / (quantiles.length - 1)
}
