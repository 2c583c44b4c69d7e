import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { auditLedger, noTotals } from '#core/audit-ledger.ts'
import type { CoreCall } from '#test/core-call.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { makeSpareSessions, type SpareSession } from '#test/spare-sessions.ts'
import { codeOf, moveCall, sentOf } from '#test/wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const pairs = sized({ short: 200, long: 2_000 })
/** Twice as many as there are connections for their transactions. */
const pairsAtOnce = 10
/** Who writes to each account at once: some who grant and spend, and one who changes the profile. */
const spenders = 3
/** What lost a row to others for half a second is sent again under its key, as a client does. */
const attemptsMax = 20

const random = createRandom()
const figures = {
  acknowledged: 0,
  refusedBefore: 0,
  refusedAfter: 0,
  renamed: 0,
  merges: 0,
  mergesSentAgain: 0,
  writesSentAgain: 0,
}

const asPlayer = ({ playerId, sessionId }: SpareSession): CoreCall['principal'] => ({
  kind: 'player',
  playerId,
  sessionId,
  epoch: 0,
})

/** What a call came to in the end: `done`, or the code of its refusal. */
const send = async (call: CoreCall, again: 'mergesSentAgain' | 'writesSentAgain'): Promise<string> => {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const sent = await sentOf(await world.askCore(call))
    if (sent.status === 200) return 'done'
    if (sent.status !== 503) return String(codeOf(sent))
    // Whoever met the other's lock too often, or on a busy machine too long, had no effect and comes again, as does whoever heard
    // nothing of Postgres.
    expect(sent.text).toMatch(/too many writes|deadline_exceeded|unavailable/)
    figures[again]++
  }
  throw new Error(`a write was put off ${attemptsMax} times`)
}

const patchCall = (session: SpareSession): CoreCall => ({
  method: 'PATCH',
  path: '/v1/players/me',
  principal: asPlayer(session),
  headers: { 'idempotency-key': randomUUID() },
  body: JSON.stringify({ displayName: `Name ${Math.floor(random() * 1_000)}` }),
})

type Pair = {
  readonly mine: SpareSession
  readonly other: SpareSession
  /** What was acknowledged on either account. */
  sum: number
  merged: boolean
  stopped: boolean
}

/** Grants and spends until it is stopped. What is sent after the merge was answered must find no wallet. */
const spend = async (pair: Pair, playerId: PlayerId) => {
  while (!pair.stopped) {
    const isGone = pair.merged && playerId === pair.other.playerId
    const amount = 1 + Math.floor(random() * 9)
    const signed = random() < 0.4 ? -amount : amount
    const changes = [{ currency: 'coins', amount: signed }]
    const code = await send(moveCall(world, { playerId, changes }), 'writesSentAgain')
    if (isGone) expect(code).toBe('not_found')
    if (code === 'done') {
      pair.sum += signed
      figures.acknowledged++
    } else if (isGone) figures.refusedAfter++
    else {
      expect(code).toMatch(playerId === pair.other.playerId ? /^(insufficient_funds|not_found)$/ : 'insufficient_funds')
      figures.refusedBefore++
    }
  }
}

const rename = async (pair: Pair, session: SpareSession) => {
  while (!pair.stopped) {
    const isGone = pair.merged && session === pair.other
    const code = await send(patchCall(session), 'writesSentAgain')
    if (isGone) expect(code).toBe('token_invalid')
    else if (session === pair.other) expect(code).toMatch(/^(done|token_invalid|not_found)$/)
    else expect(code).toBe('done')
    if (code === 'done') figures.renamed++
  }
}

const merge = async ({ mine, other }: Pair) => {
  const call: CoreCall = {
    method: 'POST',
    path: '/v1/players/me/merge',
    principal: asPlayer(mine),
    headers: { 'idempotency-key': randomUUID() },
    body: JSON.stringify({ refreshToken: other.refreshToken }),
  }
  expect(await send(call, 'mergesSentAgain')).toBe('done')
}

const mergeUnderWrites = async (pair: Pair) => {
  const { mine, other } = pair
  const writers = [mine, other].flatMap((session) => [
    rename(pair, session),
    ...Array.from({ length: spenders }, () => spend(pair, session.playerId)),
  ])
  const life = async () => {
    try {
      await pause(50 + random() * 150)
      await merge(pair)
      pair.merged = true
      figures.merges++
      await pause(100)
    } finally {
      pair.stopped = true
    }
  }
  await Promise.all([...writers, life()])
}

test('whatever is written to two accounts while they merge, no unit is lost or made, and nothing lands on the one that is gone', {
  timeout: sized({ short: 240_000, long: 2_400_000 }),
}, async () => {
  const sessions = await makeSpareSessions(world, 2 * pairs)
  const done: Pair[] = []
  const startedAt = performance.now()
  while (done.length < pairs) {
    const wave = Array.from({ length: Math.min(pairsAtOnce, pairs - done.length) }, (): Pair => {
      const both = [sessions.next(), sessions.next()] as const
      // Half of them into the younger id, so that the order of locks is not that of the merge.
      const [mine, other] = random() < 0.5 ? both : [both[1], both[0]]
      return { mine, other, sum: 0, merged: false, stopped: false }
    })
    await Promise.all(wave.map(mergeUnderWrites))
    done.push(...wave)
  }
  const seconds = (performance.now() - startedAt) / 1_000

  for (const { mine, other, sum } of done) {
    const [kept, gone] = await Promise.all(
      [mine, other].map(async ({ playerId }) => {
        const [row] = await world.sql`select balances, version > 0 as open from wallets where player_id = ${playerId}`
        return row
      }),
    )
    expect([kept?.balances.coins ?? 0, kept?.open, gone]).toEqual([sum, true, { balances: {}, open: false }])
  }
  const [row] = await world.sql`select deadlocks::int from pg_stat_database where datname = current_database()`
  expect(row?.deadlocks).toBe(0)
  let totals = noTotals
  const options = { after: undefined, player: undefined, batch: 100, pauseMs: 0, most: 10 }
  for await (const batch of auditLedger(world.database, { ...options, signal: new AbortController().signal })) {
    expect(batch.listed).toEqual([])
    totals = batch.totals
  }
  expect(totals).toMatchObject({ wallets: 2 * pairs, differences: 0 })
  tell('merge-under-writes', { ...figures, seconds: Math.round(seconds), entries: totals.entries, differences: 0 })
})
