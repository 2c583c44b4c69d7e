import { newId, type PlayerId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { Tx } from '#db/client.ts'
import { type Leg, lockWallets, type MoveInput, moveStatement, writeBalances, writeLegs } from '#db/value.ts'
import { type CurrencyRow, listCurrencies } from '#db/wallet.ts'
import type { SetWork } from './combine.ts'
import type { Context } from './context.ts'
import type { NewEvent } from './write.ts'

/** What is to change in a player's wallet, and why. */
export type Move = Pick<MoveInput, 'changes' | 'reason' | 'reference' | 'refused'> & { readonly playerId: PlayerId }

/**
 * The one door for value: whatever grants or takes currency goes through this statement, which owns lock order, caps, ledger
 * and event. Refusals: what the verb found, `not_found`, `currency_unknown`, `insufficient_funds`, `balance_cap_exceeded`.
 *
 * With a `reference` the move takes effect once for ever, whatever the key: whoever calls again is answered as the first. It
 * has a space in it, so that no caller's key is the same.
 */
export const move = (
  ctx: Pick<Context, 'cell' | 'now'>,
  { playerId, changes, reason, reference, refused }: Move,
): SetWork<MoveInput> => ({
  statement: moveStatement,
  aggregate: playerId,
  input: {
    changes,
    reason,
    reference,
    refused,
    transactionId: newId('transaction', ctx.cell, ctx.now.getTime()),
    eventId: newId('event', ctx.cell, ctx.now.getTime()),
  },
})

/** All that one wallet holds goes to another, and why. */
export type Transfer = { readonly from: PlayerId; readonly to: PlayerId; readonly reason: string }

type Balances = Readonly<Record<string, number>>
type Change = { readonly currency: string; readonly amount: number }

/**
 * The same door for two wallets at once: empties one into the other, and closes it. Each side has a transaction of its own
 * that names the other's, and an event; a wallet without anything is closed without either. Wallets are locked by id.
 *
 * @returns what the other wallet holds then, every declared currency by its code
 * @throws Fault `not_found` where a wallet is missing or closed; `balance_cap_exceeded`: then nothing has moved
 */
export const transferAll = async (
  tx: Tx,
  ctx: Pick<Context, 'cell' | 'now'>,
  { from, to, reason }: Transfer,
): Promise<{ readonly balances: readonly Change[]; readonly events: readonly NewEvent[] }> => {
  const { cell, now } = ctx
  const declared = await listCurrencies(tx)
  const locked = await lockWallets(tx, [from, to])
  const source = locked.get(from)?.balances
  const target = locked.get(to)?.balances
  if (!source || !target) throw new Fault('not_found')
  const credits = Object.entries(source)
    .map(([currency, amount]) => ({ currency, amount }))
    .filter(({ amount }) => amount > 0)
    .toSorted((a, b) => (a.currency < b.currency ? -1 : 1))
  requireRoom(credits, { target, declared })

  const after = { ...target }
  for (const { currency, amount } of credits) after[currency] = (target[currency] ?? 0) + amount
  const fromVersion = await writeBalances(tx, { playerId: from, balances: {}, closes: true, now })
  const toVersion = await writeBalances(tx, { playerId: to, balances: after, closes: false, now })
  if (credits.length === 0) return { balances: shown(after, declared), events: [] }

  const [debitId, creditId] = [newId('transaction', cell, now.getTime()), newId('transaction', cell, now.getTime())]
  const of = { principal: `player:${to}`, reason, declared, now }
  const debit = {
    playerId: from,
    transactionId: debitId,
    reference: creditId,
    changes: credits.map(negated),
    after: {},
  }
  const credit = { playerId: to, transactionId: creditId, reference: debitId, changes: credits, after }
  await writeLegs(tx, [legOf({ ...of, ...debit }), legOf({ ...of, ...credit })])
  return {
    balances: shown(after, declared),
    events: [eventOf({ ...of, ...debit }, fromVersion), eventOf({ ...of, ...credit }, toVersion)],
  }
}

const negated = ({ currency, amount }: Change): Change => ({ currency, amount: -amount })

/** @throws Fault `balance_cap_exceeded` for the first currency, by its code, that does not fit */
const requireRoom = (
  credits: readonly Change[],
  { target, declared }: { readonly target: Balances; readonly declared: readonly CurrencyRow[] },
): void => {
  for (const { currency, amount } of credits) {
    const cap = declared.find(({ code }) => code === currency)?.cap
    const balance = target[currency] ?? 0
    if (cap !== undefined && balance + amount > cap)
      throw new Fault('balance_cap_exceeded', { extras: { currency, balance, cap } })
  }
}

type Side = Omit<Leg, 'answer' | 'entries'> & {
  readonly changes: readonly Change[]
  readonly after: Balances
  readonly declared: readonly CurrencyRow[]
}

const legOf = ({ changes, after, declared, ...leg }: Side): Leg => ({
  ...leg,
  answer: JSON.stringify({ transactionId: leg.transactionId, balances: shown(after, declared) }),
  entries: changes.map((change) => ({ ...change, balanceAfter: after[change.currency] ?? 0 })),
})

const eventOf = ({ playerId, transactionId, reason, changes, after, declared }: Side, version: number): NewEvent => ({
  type: 'perigee.wallet.changed.v1',
  aggregate: `wallet:${playerId}`,
  version,
  data: { playerId, transactionId, reason, changes: [...changes], balances: shown(after, declared) },
  moved: [],
})

/** Every declared currency by its code, as the API shows a wallet. */
const shown = (balances: Balances, declared: readonly CurrencyRow[]): Change[] =>
  declared.map(({ code }) => ({ currency: code, amount: balances[code] ?? 0 }))
