import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { auditLedger, noTotals } from '#core/audit-ledger.ts'
import type { CoreCall } from '#test/core-call.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { releasedAtOnce, untilMet } from '#test/locks.ts'
import { publishDocument } from '#test/published.ts'
import { makeSpareSessions, type SpareSession, type SpareSessions } from '#test/spare-sessions.ts'
import { moveCall, type Sent, sentOf } from '#test/wallet-calls.ts'

const reward = 10
const runsCount = 3
const rounds = sized({ short: 4, long: 200 })
/** Players whose rewards are claimed at once, and calls for each of them and each run. */
const playersCount = 8
const callsEach = 20
const manyCount = sized({ short: 400, long: 4_000 })

let world: World
let second: CoreProcess
let sessions: SpareSessions
beforeAll(async () => {
  world = await startWorld()
  await publishDocument(world, 'live-events', {
    events: Object.fromEntries(
      Array.from({ length: runsCount }, (_, at) => [
        `fest-${at}`,
        {
          title: 'Fest',
          schedule: { start: '2020-01-01T00:00:00.000Z', end: '2090-01-01T00:00:00.000Z' },
          rewards: [{ currency: 'coins', amount: reward }],
        },
      ]),
    ),
  })
  second = await startCoreProcess(world)
  sessions = await makeSpareSessions(world, rounds * playersCount + manyCount + 60)
})
afterAll(async () => {
  await second?.stop()
  await world?.stop()
})

type Action = 'join' | 'claim'

/** Under a key of its own. */
const callOf = ({ playerId, sessionId }: SpareSession, action: Action, run = 0): CoreCall => ({
  method: 'POST',
  path: `/v1/live-events/fest-${run}.1/${action}`,
  principal: { kind: 'player', playerId, sessionId, epoch: 0 },
  headers: { 'idempotency-key': randomUUID() },
  body: '{}',
})

/** To one of two processes on the same database. What is told to come again does, as a client's call. */
const send = async (call: CoreCall, way: number): Promise<Sent & { readonly attempts: number }> => {
  for (let attempt = 1; ; attempt++) {
    const sent = await sentOf(await (way % 2 === 0 ? world.askCore(call) : second.ask(call)))
    if ((sent.status !== 503 && sent.retryAfter === null) || attempt === 50) return { ...sent, attempts: attempt }
  }
}

/** What the claims of players have left: transactions, events, and what the wallets hold. */
const effectsOn = async (players: readonly PlayerId[]) => {
  const [row] = await world.sql`select
    (select count(*)::int from wallet_transactions
      where player_id = any(${players}) and reference like 'live-event %') as claims,
    (select count(*)::int from outbox
      where type = 'perigee.wallet.changed.v1' and data->>'playerId' = any(${players})
        and data->>'reason' like 'live-event:%') as events,
    (select coalesce(sum(amount), 0)::int from wallet_entries join wallet_transactions using (transaction_id)
      where wallet_transactions.player_id = any(${players}) and reference like 'live-event %') as coins`
  return row
}

const audit = async () => {
  let totals = noTotals
  const options = { after: undefined, player: undefined, batch: 1_000, pauseMs: 0, most: 10 }
  for await (const batch of auditLedger(world.database, { ...options, signal: AbortSignal.timeout(60_000) }))
    totals = batch.totals
  return totals
}

test('of a crowd that claims the same rewards under keys of its own, over two processes and while others write to the wallets, each run and player has one entry', {
  timeout: sized({ short: 120_000, long: 3_600_000 }),
}, async () => {
  const random = createRandom()
  const figures = { claims: 0, grants: 0 }
  const players: PlayerId[] = []
  const startedAt = performance.now()
  for (let round = 0; round < rounds; round++) {
    const crowd = Array.from({ length: playersCount }, () => sessions.next())
    players.push(...crowd.map(({ playerId }) => playerId))
    const claims = crowd.flatMap((session, player) =>
      Array.from({ length: callsEach * runsCount }, (_, at) => ({ session, name: `${player} ${at % runsCount}`, at })),
    )
    const order = claims.map((claim) => ({ ...claim, place: random() })).sort((a, b) => a.place - b.place)
    const [answers, granted] = await Promise.all([
      Promise.all(
        order.map(async ({ session, name, at }, way) => ({
          name,
          sent: await send(callOf(session, 'claim', at % runsCount), way),
        })),
      ),
      Promise.all(
        crowd.map(({ playerId }, way) =>
          send(moveCall(world, { playerId, changes: [{ currency: 'gems', amount: 1 }] }), way),
        ),
      ),
    ])
    expect(granted.map(({ status }) => status)).toEqual(crowd.map(() => 200))
    for (const [name, same] of Map.groupBy(answers, (answer) => answer.name)) {
      expect([name, new Set(same.map(({ sent }) => sent.text)).size]).toEqual([name, 1])
      expect(same[0]?.sent.status, same[0]?.sent.text).toBe(200)
      const first = same.filter(({ sent }) => !sent.replayed)
      // Of one who was told nothing of what they did, and came again, the answer is a replay.
      const least = same.some(({ sent }) => sent.attempts > 1) ? 0 : 1
      expect([name, first.length <= 1, first.length >= least]).toEqual([name, true, true])
    }
    figures.claims += order.length
    figures.grants += granted.length
  }
  const once = rounds * playersCount * runsCount
  expect(await effectsOn(players)).toEqual({ claims: once, events: once, coins: once * reward })
  const { differences, transactions } = await audit()
  expect([differences, transactions]).toEqual([0, once + figures.grants])
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  tell('claim-once', { ...figures, 'took effect': once, double: 0, differences, seconds })
})

/** Two calls of one player that wait for the same row in two processes, each with what it saw before the other. */
const bothWaiting = (action: Action, table: string) =>
  untilMet(async () => {
    const session = sessions.next()
    const both = await releasedAtOnce(
      world,
      (tx) => tx`select from ${tx(table)} where player_id = ${session.playerId} for update`,
      [0, 1].map((way) => () => send(callOf(session, action), way)),
    )
    // Whoever had to call again has waited for nobody.
    return both?.every(({ attempts }) => attempts === 1) ? { both, playerId: session.playerId } : undefined
  })

test.each([
  ['claims', 'claim', 'wallets', 'perigee.wallet.changed.v1'],
  ['joins', 'join', 'players', 'perigee.live_event.joined.v1'],
] as const)(
  'of two %s that wait for one row in two processes, the second is answered as the first',
  async (_, action, table, type) => {
    const { both, playerId } = await bothWaiting(action, table)
    expect(both.map(({ status, replayed }) => `${status} ${replayed}`).sort()).toEqual(['200 false', '200 true'])
    expect(new Set(both.map(({ text }) => text)).size).toBe(1)
    expect(await world.sql`select from outbox where type = ${type} and data->>'playerId' = ${playerId}`).toHaveLength(1)
  },
)

test('of a crowd that joins for few players, over two processes, each player is in once, and told of once', {
  timeout: 120_000,
}, async () => {
  const crowd = Array.from({ length: playersCount }, () => sessions.next())
  const sent = await Promise.all(
    crowd.flatMap((session, player) =>
      Array.from({ length: callsEach }, async (_, way) => ({ player, ...(await send(callOf(session, 'join'), way)) })),
    ),
  )
  for (const [player, same] of Map.groupBy(sent, (answer) => answer.player)) {
    expect([same[0]?.status, new Set(same.map(({ text }) => text)).size], same[0]?.text).toEqual([200, 1])
    expect(
      await world.sql`select from outbox where type = 'perigee.live_event.joined.v1'
        and data->>'playerId' = ${crowd[player]?.playerId ?? ''}`,
    ).toHaveLength(1)
  }
})

test('many players who claim at the same time are served in sets', { timeout: 120_000 }, async () => {
  const crowd = Array.from({ length: manyCount }, () => sessions.next())
  const startedAt = performance.now()
  const sent = await Promise.all(crowd.map((session) => send(callOf(session, 'claim'), 0)))
  const seconds = (performance.now() - startedAt) / 1_000
  expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([200]))
  const coins = manyCount * reward
  expect(await effectsOn(crowd.map(({ playerId }) => playerId))).toEqual({
    ...{ claims: manyCount, events: manyCount, coins },
  })
  tell('claim-once, many players', { players: manyCount, 'claims a second': Math.round(manyCount / seconds) })
})
