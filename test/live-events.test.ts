import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ContentKind } from '#contract/content.ts'
import type { PlayerId } from '#contract/ids.ts'
import type { CoreCall } from './core-call.ts'
import { codeOf, deleteByOperator, eventsOf, failureOf } from './erasing.ts'
import { eventually } from './eventually.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { publishDocument } from './published.ts'
import { makeSpareSessions, type SpareSession } from './spare-sessions.ts'
import { sentOf } from './wallet-calls.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

let world: World
beforeAll(async () => {
  world = await startWorld()
  await publishFlags()
  await publish('live-events', { events: { ...onNow, ...boundaries } })
})
afterAll(() => world?.stop())

const at = (fromNowMs: number) => new Date(Date.now() + fromNowMs).toISOString()
const now = { start: at(-hourMs), end: at(hourMs) }
const coins = (amount: number) => [{ currency: 'coins', amount }]

/** Events that are on. */
const onNow = {
  open: { title: 'Open', schedule: now, rewards: coins(10) },
  joined: { title: 'Joined', schedule: now, requiresJoin: true, rewards: coins(10) },
  veterans: { title: 'Veterans', schedule: now, audience: 'veterans', rewards: coins(10) },
  club: { title: 'Club', schedule: now, audience: 'veterans', requiresJoin: true, rewards: coins(10) },
  plain: { title: 'Plain', schedule: now },
  rich: { title: 'Rich', schedule: now, rewards: coins(900_000) },
  off: { title: 'Off', schedule: now, enabled: false, rewards: coins(10) },
  later: { title: 'Later', schedule: { start: at(hourMs), end: at(2 * hourMs) }, rewards: coins(10) },
  over: { title: 'Over', schedule: { start: at(-2 * hourMs), end: at(-hourMs) }, rewards: coins(10) },
  grace: {
    ...{ title: 'Grace', schedule: { start: at(-2 * hourMs), end: at(-hourMs) } },
    ...{ rewards: coins(10), claimGraceMinutes: 120 },
  },
}

/** For whoever moves the clock: a minute long, with a minute of grace. */
const boundaryStart = Date.now() + 10 * hourMs
const boundaries = {
  boundary: {
    title: 'Boundary',
    schedule: {
      start: new Date(boundaryStart).toISOString(),
      end: new Date(boundaryStart + minuteMs).toISOString(),
    },
    rewards: coins(1),
    claimGraceMinutes: 1,
  },
}

/** Publishes, and has the core look anew. The edge goes by the machine's clock, and the core by it again after that. */
const publish = async (...[kind, document]: [ContentKind, unknown]) => {
  await publishDocument(world, kind, document)
  const sessions = await makeSpareSessions(world, 1)
  world.clock.advance(1_000)
  await world.askCore({ method: 'GET', path: '/v1/players/me/live-events', principal: asPlayer(sessions.next()) })
  world.clock.advance(-1_000)
}

const publishFlags = (veterans: unknown = { attribute: 'level', atLeast: 10 }) =>
  publish('flags', { attributes: { level: { type: 'number' } }, audiences: { veterans: { if: veterans } } })

type Options = { readonly context?: Readonly<Record<string, unknown>>; readonly key?: string }

const join = ({ client }: SignedIn, event: string, { context = {}, key = randomUUID() }: Options = {}) =>
  client.joinLiveEvent({ params: { runId: `${event}.1` }, body: { context } }, { idempotencyKey: key })
const claim = ({ client }: SignedIn, event: string, { context = {}, key = randomUUID() }: Options = {}) =>
  client.claimLiveEvent({ params: { runId: `${event}.1` }, body: { context } }, { idempotencyKey: key })
const own = async ({ client }: SignedIn) => (await client.listOwnLiveEvents()).body.runs
const coinsOf = async ({ client }: SignedIn) =>
  (await client.getWallet()).body.balances.find(({ currency }) => currency === 'coins')?.amount
const veteran = { context: { level: 12 } }

const joinedEvents = async (playerId: PlayerId) =>
  (await eventsOf(world, playerId)).filter(({ type }) => type === 'perigee.live_event.joined.v1')
const ledgerOf = async (playerId: PlayerId): Promise<number> =>
  (await world.sql`select from wallet_transactions where player_id = ${playerId}`).length

test('a first join is told of once; a later one, under any key, answers the same moment', async () => {
  const player = await world.signIn()
  const key = randomUUID()
  const first = await join(player, 'joined', { key })
  expect(first.body).toMatchObject({ runId: 'joined.1' })
  for (const again of [await join(player, 'joined', { key }), await join(player, 'joined')])
    expect(again.body).toEqual(first.body)
  expect(await joinedEvents(player.playerId)).toEqual([
    { type: 'perigee.live_event.joined.v1', data: { playerId: player.playerId, runId: 'joined.1' } },
  ])
  expect(await own(player)).toEqual([{ runId: 'joined.1', joinedAt: first.body.joinedAt, claimedAt: null }])
})

test('a run that there is not, one that is off, and one that is for others are the same 404', async () => {
  const player = await world.signIn()
  for (const event of ['nothing', 'off', 'veterans', 'club']) {
    expect(await codeOf(join(player, event)), `join ${event}`).toBe('not_found')
    expect(await codeOf(claim(player, event)), `claim ${event}`).toBe('not_found')
  }
  expect(await codeOf(player.client.joinLiveEvent({ params: { runId: 'open.2' }, body: {} }))).toBe('not_found')
})

test('what an app claims to be the player, or the place, does not count', async () => {
  const [player, other] = [await world.signIn(), await world.signIn()]
  await publishFlags({ attribute: 'player.id', equals: player.playerId })
  const forged = { context: { 'player.id': player.playerId, player: { id: player.playerId } } }
  expect(await codeOf(join(other, 'veterans', forged))).toBe('not_found')
  expect((await join(player, 'veterans')).status).toBe(200)
  await publishFlags()
})

test('whoever has joined is in for the run, whatever becomes of them, of the audience and of the run’s end', async () => {
  const player = await world.signIn()
  const first = await join(player, 'club', veteran)
  // No veteran any more, by what they say.
  expect((await join(player, 'club')).body).toEqual(first.body)
  await publishFlags({ attribute: 'level', atLeast: 100 })
  expect(await codeOf(join(await world.signIn(), 'club', veteran))).toBe('not_found')
  expect((await join(player, 'club', veteran)).body).toEqual(first.body)
  expect((await claim(player, 'club')).body.balances).toContainEqual({ currency: 'coins', amount: 10 })
  await publishFlags()
})

test('a run can be joined while it is on: before and after it is closed, and says so', async () => {
  const player = await world.signIn()
  for (const [event, state] of [
    ['later', 'upcoming'],
    ['over', 'ended'],
    ['grace', 'ended'],
  ] as const) {
    const failure = await failureOf(join(player, event))
    expect([failure.code, failure.problem?.state], event).toEqual(['live_event_closed', state])
  }
  expect(await own(player)).toEqual([])
})

test('a reward is given once a run, whatever the key, and every later call answers as the first', async () => {
  const player = await world.signIn()
  const first = await claim(player, 'open')
  expect(first.body.balances).toContainEqual({ currency: 'coins', amount: 10 })
  const others = [await claim(player, 'open'), await claim(player, 'open', { context: { level: 1 } })]
  for (const { body, headers } of others)
    expect([body, headers.get('idempotency-replayed')]).toEqual([first.body, 'true'])
  expect([await coinsOf(player), await ledgerOf(player.playerId)]).toEqual([10, 1])
  const [row] = await world.sql`select reason, reference from wallet_transactions
    where transaction_id = ${first.body.transactionId}`
  expect(row).toEqual({ reason: 'live-event:open.1', reference: 'live-event open.1' })
  const [run] = await own(player)
  expect(run).toMatchObject({ runId: 'open.1', joinedAt: null, claimedAt: expect.any(String) })
})

test('the answer to a claim is found after its key was forgotten, and after the event has gone', async () => {
  const player = await world.signIn()
  const first = await claim(player, 'grace')
  await world.sql`delete from idempotency_claims where principal = ${`player:${player.playerId}`}`
  await publish('live-events', { events: { ...onNow, ...boundaries, grace: undefined } })
  expect(await codeOf(claim(await world.signIn(), 'grace'))).toBe('not_found')
  expect((await claim(player, 'grace')).body).toEqual(first.body)
  await publish('live-events', { events: { ...onNow, ...boundaries } })
})

test('a refusal claims nothing: its own key keeps it, another one can succeed', async () => {
  const player = await world.signIn()
  const call = () =>
    fetch(`${world.edgeUrl}/v1/live-events/joined.1/claim`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${player.accessToken}`, 'content-type': 'application/json' },
        'idempotency-key': player.playerId,
      },
      body: '{}',
    }).then(sentOf)
  const refused = await call()
  expect(JSON.parse(refused.text).code).toBe('live_event_not_joined')
  await join(player, 'joined')
  expect(await call()).toEqual({ ...refused, replayed: true })
  expect((await claim(player, 'joined')).status).toBe(200)
  // What the key was answered once, though the reward is claimed by now.
  expect(await call()).toEqual({ ...refused, replayed: true })

  const server = world.client({ bearer: world.keys.server })
  const change = (amount: number) =>
    server.createWalletTransaction({
      params: { playerId: player.playerId },
      body: { changes: coins(amount), reason: 'test' },
    })
  await change(200_000)
  const { body } = await player.client.getWallet()
  const [cap] = await world.sql`select cap from currencies where code = 'coins'`
  const full = Number(cap?.cap) - (body.balances.find(({ currency }) => currency === 'coins')?.amount ?? 0)
  await change(full)
  expect(await codeOf(claim(player, 'rich'))).toBe('balance_cap_exceeded')
  await change(-900_000)
  expect((await claim(player, 'rich')).status).toBe(200)
  expect(await codeOf(claim(player, 'plain'))).toBe('nothing_to_claim')
})

/** Calls without an edge, whose clock is not ours to move. */
const asPlayer = ({ playerId, sessionId }: SpareSession): CoreCall['principal'] => ({
  ...{ kind: 'player', playerId, sessionId, epoch: 0 },
})
const callOf = (session: SpareSession, action: 'join' | 'claim', event: string): CoreCall => ({
  ...{ method: 'POST', path: `/v1/live-events/${event}.1/${action}`, principal: asPlayer(session) },
  ...{ headers: { 'idempotency-key': randomUUID() }, body: '{}' },
})

test('the start of a run belongs to it, its end does not, and neither does that of its grace', async () => {
  const sessions = await makeSpareSessions(world, 20)
  const outcomeAt = async (fromStartMs: number, action: 'join' | 'claim') => {
    let moved = 0
    // The moment that the core sees is the one of the request's arrival: the clock stands in between.
    const { now: realNow } = Date
    try {
      const held = realNow()
      Date.now = () => held
      moved = boundaryStart + fromStartMs - world.clock()
      world.clock.advance(moved)
      const sent = await sentOf(await world.askCore(callOf(sessions.next(), action, 'boundary')))
      const { code, state } = JSON.parse(sent.text)
      return code === undefined ? 'done' : `${code} ${state}`
    } finally {
      world.clock.advance(-moved)
      Date.now = realNow
    }
  }
  const upcoming = 'live_event_closed upcoming'
  const ended = 'live_event_closed ended'
  const grace = 2 * minuteMs
  for (const [fromStartMs, joined, claimed] of [
    [-1, upcoming, upcoming],
    [0, 'done', 'done'],
    [minuteMs - 1, 'done', 'done'],
    [minuteMs, ended, 'done'],
    [grace - 1, ended, 'done'],
    [grace, ended, ended],
  ] as const)
    expect([fromStartMs, await outcomeAt(fromStartMs, 'join'), await outcomeAt(fromStartMs, 'claim')]).toEqual([
      fromStartMs,
      joined,
      claimed,
    ])
})

test('after a merge the runs that were joined are those of the account that stays, and its own where both had', async () => {
  const [mine, other] = [await world.signIn(), await world.signIn()]
  const kept = await join(mine, 'open')
  await join(other, 'open')
  const moved = await join(other, 'joined')
  await mine.client.mergeAccounts({ body: { refreshToken: other.refreshToken } })
  await eventually(async () => (await own(mine)).length === 2, 10_000)
  expect(Object.fromEntries((await own(mine)).map(({ runId, joinedAt }) => [runId, joinedAt]))).toEqual({
    'open.1': kept.body.joinedAt,
    'joined.1': moved.body.joinedAt,
  })
  expect(await world.sql`select from participations where player_id = ${other.playerId}`).toHaveLength(0)
  expect((await join(mine, 'joined')).body).toEqual(moved.body)
  await claim(mine, 'joined')
})

test('of who was erased no participation is left, and what a merge brings after that neither', async () => {
  const [mine, other] = [await world.signIn(), await world.signIn()]
  await join(mine, 'open')
  await join(other, 'joined')
  await mine.client.mergeAccounts({ body: { refreshToken: other.refreshToken } })
  await deleteByOperator(world, mine.playerId)
  const left = () => world.sql`select from participations where player_id in (${mine.playerId}, ${other.playerId})`
  await eventually(async () => (await left()).length === 0, 10_000)
})
