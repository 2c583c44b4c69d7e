import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, type PlayerId } from '#contract/ids.ts'
import { createApiKey } from '#core/api-keys.ts'
import type { Written } from '#core/command.ts'
import { move } from '#core/value.ts'
import { createWrite } from '#core/write.ts'
import { openDatabase } from '#db/client.ts'
import { checkedFetch } from './checked-fetch.ts'
import { cell, startWorld, type World } from './harness.ts'
import { untilMet } from './locks.ts'
import { type Change, makePlayers } from './wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Ask = {
  readonly playerId: PlayerId
  readonly changes: readonly Change[]
  readonly key?: string
  readonly bearer?: string
}

const requestOf = ({ playerId, changes, key = randomUUID(), bearer = world.keys.server }: Ask) => ({
  method: 'POST',
  path: `/v1/players/${playerId}/wallet/transactions`,
  headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', 'idempotency-key': key },
  body: JSON.stringify({ changes, reason: 'test' }),
})

/** Through the edge, held to the contract; a problem must carry the id of this very request. */
const ask = async (asked: Ask) => {
  const { path, ...init } = requestOf(asked)
  const response = await checkedFetch(new Request(world.edgeUrl + path, init))
  return { status: response.status, body: JSON.parse(await response.text()) }
}

const balanceOf = (body: { balances: Change[] }, code: string) =>
  body.balances.find(({ currency }) => currency === code)?.amount

const makeServerKey = async (name: string): Promise<string> => {
  const options = { kind: 'server', name, origins: [], scopes: ['*'], role: undefined, cell, now: new Date() } as const
  return (await createApiKey(world.database.db, options)).key
}

test('in one burst every caller gets an answer of their own: the refused by their reason, the others applied', async () => {
  const kinds = {
    applied: { changes: [{ currency: 'coins', amount: 7 }], status: 200, problem: undefined },
    refusedFunds: {
      changes: [
        { currency: 'coins', amount: 5 },
        { currency: 'gems', amount: -3 },
      ],
      status: 409,
      problem: { code: 'insufficient_funds', currency: 'gems', balance: 0, needed: 3 },
    },
    refusedCap: {
      changes: [{ currency: 'gems', amount: 1_000_001 }],
      status: 409,
      problem: { code: 'balance_cap_exceeded', currency: 'gems', balance: 0, cap: 1_000_000 },
    },
    refusedCurrency: {
      changes: [
        { currency: 'coins', amount: 5 },
        { currency: 'shells', amount: 1 },
      ],
      status: 422,
      problem: { code: 'currency_unknown', currency: 'shells' },
    },
  }
  const players = await makePlayers(world, 120)
  const known = players.map((playerId, at) => ({ playerId, ...(Object.values(kinds)[at % 4] ?? kinds.applied) }))
  const strangers = Array.from({ length: 30 }, () => ({
    playerId: newId('player', cell, Date.now()),
    changes: kinds.applied.changes,
    status: 404,
    problem: { code: 'not_found' },
  }))
  const burst = [...known, ...strangers].sort(() => Math.random() - 0.5)
  const answers = await Promise.all(burst.map(async (call) => ({ call, answer: await ask(call) })))
  for (const { call, answer } of answers) {
    expect(answer.status).toBe(call.status)
    if (call.problem) expect(answer.body).toMatchObject(call.problem)
    else expect(balanceOf(answer.body, 'coins')).toBe(7)
  }
  const transactionIds = answers.flatMap(({ answer }) => answer.body.transactionId ?? [])
  expect(new Set(transactionIds).size).toBe(30)
  const rows = await world.sql`select player_id, transaction_id from wallet_entries where player_id = any(${players})`
  expect(rows.length).toBe(30)
  for (const { call, answer } of answers) {
    if (call.problem) continue
    expect(rows).toContainEqual({ player_id: call.playerId, transaction_id: answer.body.transactionId })
  }
})

/** Straight to the sets, all in one turn of the loop, so that they share statements. Each caller waits for five seconds, or less. */
const writeTogether = (
  playerIds: readonly PlayerId[],
  { database = world.database, leftMs = [] as number[], keys = [] as string[] } = {},
) => {
  const { clock } = world
  const write = createWrite({ database, cell, clock, sets: { size: 64, inFlight: 2 } })
  const now = new Date(clock())
  const base = { principal: 'key:test', fingerprint: 'f'.repeat(64), traceparent: '00-0-0-01', now }
  return playerIds.map((playerId, at) =>
    write.set(
      {
        ...base,
        key: keys[at] ?? randomUUID(),
        requestId: randomUUID(),
        deadlineAt: now.getTime() + (leftMs[at] ?? 5_000),
      },
      move({ cell, now }, { playerId, changes: [{ currency: 'coins', amount: 3 }], reason: 'test' }),
    ),
  )
}

test('a command that breaks its set fails alone; its neighbours succeed once, and so does its own retry later', async () => {
  const players = await makePlayers(world, 48)
  const poisoned = players[20]
  if (!poisoned) throw new Error('48 players were asked for')
  await world.sql.unsafe(`
    create function test_poison() returns trigger language plpgsql as $$ begin raise exception 'poison'; end $$;
    create trigger test_poison before insert on wallet_entries for each row
      when (new.player_id = '${poisoned}') execute function test_poison()`)
  const keys = players.map(() => randomUUID())
  const written = await Promise.allSettled(writeTogether(players, { keys }))
  const expected = players.map((playerId) => (playerId === poisoned ? 'rejected' : 'fulfilled'))
  expect(written.map(({ status }) => status)).toEqual(expected)
  // A key of its own: a caller whose command broke a set is served alone for a minute, which is not to slow the other tests.
  const broken = { playerId: poisoned, changes: [{ currency: 'coins', amount: 3 }], bearer: await makeServerKey('bad') }
  expect(await ask(broken)).toMatchObject({ status: 500, body: { code: 'internal' } })

  const entries = () => world.sql`select player_id, count(*)::int as count, sum(amount)::int as amount
    from wallet_entries where player_id = any(${players}) group by 1 order by 1`
  const once = (ids: readonly PlayerId[]) => ids.toSorted().map((player_id) => ({ player_id, count: 1, amount: 3 }))
  expect(await entries()).toEqual(once(players.filter((playerId) => playerId !== poisoned)))

  await world.sql.unsafe('drop trigger test_poison on wallet_entries; drop function test_poison')
  const again = await Promise.all(writeTogether(players, { keys }))
  expect(again.map(({ status }) => status)).toEqual(players.map(() => 200))
  expect(await entries()).toEqual(once(players))
})

test('a wallet that somebody holds keeps its own command waiting and no other one, and is served once it is free', async () => {
  const heldAt = 20
  const holdFor = async (heldId: PlayerId | undefined, use: () => Promise<unknown>) =>
    world.sql.begin(async (tx) => {
      await tx`select from wallets where player_id = ${heldId ?? expect.fail('there is one')} for update`
      await use()
    })

  const { players, order, held } = await untilMet(async () => {
    const players = await makePlayers(world, 40)
    const order: number[] = []
    let holding: Promise<PromiseSettledResult<Written | undefined>[]> | undefined
    await holdFor(players[heldAt], async () => {
      const written = writeTogether(players).map((write, at) => write.finally(() => order.push(at)))
      // From here on: it may be refused while the others are waited for.
      holding = Promise.allSettled([written[heldAt]])
      await Promise.all(written.filter((_, at) => at !== heldAt))
    })
    const [held] = (await holding) ?? []
    // On a busy machine the others may take longer than one waits.
    return held?.status === 'rejected' && held.reason.code === '55P03' ? undefined : { players, order, held }
  })
  expect(held).toMatchObject({ status: 'fulfilled', value: { status: 200 } })
  expect(order.indexOf(heldAt), 'the held one is the last').toBe(players.length - 1)

  const [heldId = expect.fail('there are some')] = players
  await holdFor(heldId, async () => {
    const [refused] = await Promise.allSettled(writeTogether([heldId]))
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: '55P03' } })
  })
})

test('a set that waits for a connection leaves without those who have gone by then', async () => {
  const players = await makePlayers(world, 3)
  // One connection for all statements.
  const narrow = { poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'test', clock: world.clock }
  const database = openDatabase({ ...narrow, url: world.databaseUrl })
  const holding = database.statement('select pg_sleep(0.6)', [])
  const written = await Promise.allSettled(writeTogether(players, { database, leftMs: [5_000, 200, 5_000] }))
  await holding
  await database.close(0)
  expect(written).toMatchObject([
    { status: 'fulfilled', value: { status: 200 } },
    { status: 'rejected', reason: { code: 'deadline_exceeded' } },
    { status: 'fulfilled', value: { status: 200 } },
  ])
  const [stays, , staysToo] = players
  const moved = await world.sql`select player_id from wallet_entries where player_id = any(${players})`
  expect(new Set(moved.map(({ player_id }) => player_id))).toEqual(new Set([stays, staysToo]))
})

test('many writes to one wallet at once all count, in some order', async () => {
  const [playerId] = await makePlayers(world, 1)
  if (!playerId) throw new Error('a player was asked for')
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => ask({ playerId, changes: [{ currency: 'coins', amount: 1 }] })),
  )
  const balances = answers.map(({ body }) => Number(balanceOf(body, 'coins'))).sort((a, b) => a - b)
  expect(balances).toEqual(Array.from({ length: 60 }, (_, at) => at + 1))
})

test('after all of this every balance is the sum of its entries, and each write has left exactly one event', async () => {
  const drifted = await world.sql`
    with stated as (select player_id, key as currency, value::bigint as amount from wallets, jsonb_each_text(balances)),
      summed as (select player_id, currency, sum(amount) as amount from wallet_entries group by 1, 2)
    select * from stated full join summed using (player_id, currency)
    where coalesce(stated.amount, 0) <> coalesce(summed.amount, 0)`
  expect(drifted).toEqual([])
  const unmatched = await world.sql`
    select transaction_id, event_id from wallet_transactions t
    full join (select * from outbox where type = 'perigee.wallet.changed.v1') e on e.data->>'transactionId' = t.transaction_id
    where t.transaction_id is null or e.event_id is null or e.aggregate <> 'wallet:' || t.player_id`
  expect(unmatched).toEqual([])
  const [counts] = await world.sql`select
    (select count(*)::int from wallet_transactions) as transactions,
    (select count(*)::int from outbox where type = 'perigee.wallet.changed.v1') as events,
    (select count(*)::int from (select distinct aggregate, version from outbox where type = 'perigee.wallet.changed.v1') v) as versions,
    (select count(*)::int from wallets w where version <> (
      select coalesce(max(o.version), w.version) from outbox o where o.aggregate = 'wallet:' || w.player_id)) as behind,
    (select count(*)::int from wallets w join players p using (player_id)
      where w.version <= p.version and exists (select from wallet_transactions t where t.player_id = w.player_id)) as still`
  expect(counts).toEqual({
    ...counts,
    events: counts?.transactions,
    versions: counts?.transactions,
    behind: 0,
    still: 0,
  })
  console.log(`conservation: ${counts?.transactions} writes, ${counts?.events} events, 0 of the wallets drifted`)
})
