import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { newId, type PlayerId } from '#contract/ids.ts'
import { createApiKey } from '#core/api-keys.ts'
import { fingerprintOf } from '#core/request.ts'
import type { SetRow } from '#db/set-statement.ts'
import { moveStatement } from '#db/value.ts'
import { checkedFetch } from './checked-fetch.ts'
import { type CoreCall, signCoreCall } from './core-call.ts'
import { startCoreProcess } from './core-process.ts'
import { eventually } from './eventually.ts'
import { cell, startWorld, type World } from './harness.ts'
import { meet, releasedAtOnce, untilMet } from './locks.ts'
import { codeOf, type Sent, sentOf } from './wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const pathOf = (playerId: PlayerId) => `/v1/players/${playerId}/wallet/transactions`
const bodyOf = (amount: number) => JSON.stringify({ changes: [{ currency: 'coins', amount }], reason: 'test' })

type Grant = { readonly playerId: PlayerId; readonly key?: string; readonly body?: string; readonly bearer?: string }

/** Through the edge, as bytes: what a typed client would parse away is what is looked at here. */
const grant = async ({ playerId, key, body = bodyOf(10), bearer = world.keys.server }: Grant): Promise<Sent> => {
  const headers = new Headers({ authorization: `Bearer ${bearer}`, 'content-type': 'application/json' })
  if (key !== undefined) headers.set('idempotency-key', key)
  return sentOf(await checkedFetch(new Request(world.edgeUrl + pathOf(playerId), { method: 'POST', headers, body })))
}

const rename = async (bearer: string, key: string | undefined, displayName: string): Promise<Sent> => {
  const headers = new Headers({ authorization: `Bearer ${bearer}`, 'content-type': 'application/json' })
  if (key !== undefined) headers.set('idempotency-key', key)
  const body = JSON.stringify({ displayName })
  return sentOf(await checkedFetch(new Request(`${world.edgeUrl}/v1/players/me`, { method: 'PATCH', headers, body })))
}

/** A grant as an edge sends it to a core. */
const grantCall = (playerId: PlayerId, key: string, body: string = bodyOf(10)): CoreCall => ({
  method: 'POST',
  path: pathOf(playerId),
  principal: { kind: 'server' },
  headers: { authorization: `Bearer ${world.keys.server}`, 'idempotency-key': key },
  body,
})

const signInMany = async (count: number) => Promise.all(Array.from({ length: count }, () => world.signIn()))

/** What a player's writes have left behind: ledger, events, and the balance that everybody sees. */
const effectsOn = async (playerId: PlayerId) => {
  const [row] = await world.sql`select
    (select count(*)::int from wallet_transactions where player_id = ${playerId}) as transactions,
    (select count(*)::int from wallet_entries where player_id = ${playerId}) as entries,
    (select count(*)::int from outbox where aggregate = ${`wallet:${playerId}`}) as events,
    (select coalesce((balances->>'coins')::int, 0) from wallets where player_id = ${playerId}) as coins`
  return row
}

const untouched = { transactions: 0, entries: 0, events: 0, coins: 0 }

/** As a client does that means it: a call that ran out of time on a busy machine is sent again, under the same key. */
const untilAnswered = async (send: () => Promise<Sent>): Promise<Sent & { readonly sentAgain: boolean }> => {
  for (let attempt = 1; ; attempt++) {
    const sent = await send()
    if (sent.status !== 503 || attempt === 10) return { ...sent, sentAgain: attempt > 1 }
  }
}

type HerdCall = { readonly key: string; readonly sent: Sent & { readonly sentAgain?: boolean } }

/** Every call of a herd got the one answer of its key, or was told that the first call still runs. Answers how many were. */
const expectOneAnswerAKey = (herd: readonly HerdCall[]): number => {
  let inFlight = 0
  for (const calls of Map.groupBy(herd, ({ key }) => key).values()) {
    const answered = calls.map(({ sent }) => sent).filter(({ status }) => status === 200)
    const first = answered.filter(({ replayed }) => !replayed).length
    // The first answer may be the one that was lost to the deadline; there is never a second one.
    const fewest = calls.some(({ sent }) => sent.sentAgain) ? 0 : 1
    expect([fewest, 1], 'calls that were not replays').toContain(first)
    expect(new Set(answered.map(({ text }) => text)).size, 'different answers').toBe(1)
    for (const { sent } of calls) {
      if (sent.status === 200) continue
      expect([sent.status, codeOf(sent), sent.retryAfter]).toEqual([409, 'idempotency_in_flight', '1'])
      inFlight++
    }
  }
  return inFlight
}

/** Sends to this world's core, and to a second process that runs on the same database meanwhile. */
const withSecondCore = async (
  use: (cores: readonly { readonly ask: (call: CoreCall) => Promise<Sent> }[]) => Promise<void>,
): Promise<void> => {
  const second = await startCoreProcess(world)
  const first = async (call: CoreCall) => {
    const headers = signCoreCall(call, world.secrets.edgeKeys, world.clock())
    return fetch(world.coreUrl + call.path, { method: call.method, headers, body: call.body ?? '' })
  }
  try {
    await use([first, second.ask].map((ask) => ({ ask: async (call) => sentOf(await ask(call)) })))
  } finally {
    await second.stop()
  }
}

test('two core processes that write to one wallet all the time lose nothing of what the other wrote', {
  timeout: 90_000,
}, async () => {
  await withSecondCore(async (cores) => {
    const { playerId } = await world.signIn()
    const writes = 150
    // Each process has one of its own under way at any time; a key of its own each, so that nothing but the row is shared.
    const sent = await Promise.all(
      cores.flatMap(({ ask }) =>
        Array.from({ length: writes }, () => {
          const call = grantCall(playerId, randomUUID())
          return untilAnswered(() => ask(call))
        }),
      ),
    )
    const done = sent.filter(({ status }) => status === 200).length
    expect(sent.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(sent.map(() => 200))
    expect(await effectsOn(playerId)).toEqual({ transactions: done, entries: done, events: done, coins: 10 * done })
  })
})

test('a grant that meets a change of its wallet under way adds to what that leaves', async () => {
  const { playerId, status } = await untilMet(async () => {
    const { playerId } = await world.signIn()
    const answers = await releasedAtOnce(
      world,
      (tx) => tx`update wallets set balances = '{"coins": 100}' where player_id = ${playerId}`,
      [() => world.askCore(grantCall(playerId, randomUUID()))],
    )
    const status = answers?.[0]?.status
    return status === 503 || status === undefined ? undefined : { playerId, status }
  })
  expect(status).toBe(200)
  const [row] = await world.sql`select balances->>'coins' as coins from wallets where player_id = ${playerId}`
  expect(Number(row?.coins)).toBe(110)
})

const principalOfServer = async (): Promise<string> => {
  const [row] = await world.sql`select key_id from api_keys where kind = 'server' and name = 'test'`
  return `key:${row?.key_id}`
}

const earlierAnswer = (key: string) => `the first answer to ${key}`

const fingerprintOfCall = ({ method, path, body }: CoreCall): string => {
  const bytes = new TextEncoder().encode(body)
  return fingerprintOf({ method, target: path, header: () => undefined, params: {}, query: {}, body: bytes })
}

/** What another process does: it holds keys and claims them with its answers; `commit` makes that visible. */
const claimElsewhere = async (claims: readonly { readonly key: string; readonly fingerprint: string }[]) => {
  const principal = await principalOfServer()
  const held = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const transaction = world.sql.begin(async (tx) => {
    for (const { key, fingerprint } of claims) {
      await tx`select pg_advisory_xact_lock(hashtextextended(${principal}::text || ' ' || ${key}::text, 0))`
      await tx`insert into idempotency_claims (principal, key, fingerprint, status, content_type, body, moved, created_at)
        values (${principal}, ${key}, ${fingerprint}, 200, 'text/plain', ${earlierAnswer(key)}, '[]', now())`
    }
    held.resolve()
    await released.promise
  })
  await held.promise
  return {
    commit: async () => {
      released.resolve()
      await transaction
    },
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('a call under a key that another process has in hand waits for that answer and replays it', async () => {
  const players = await signInMany(16)
  const statements = vi.spyOn(world.database, 'statement')
  onTestFinished(() => statements.mockRestore())
  /** A set has come back, so somebody has found their key in hand. */
  const hasLooked = async () =>
    statements.mock.calls.some(
      ([text], at) => text === moveStatement.passing && statements.mock.settledResults[at]?.type === 'fulfilled',
    )
  /** Whoever was told that it takes too long has waited for half a second: on a busy machine a round may not count. */
  const roundsMax = 20
  let counted = 0
  for (let round = 0; counted < 10; round++) {
    expect(round).toBeLessThan(roundsMax)
    statements.mockClear()
    const calls = players.map(({ playerId }) => ({ key: randomUUID(), playerId }))
    const asked = calls.map(({ key, playerId }) => ({ key, call: grantCall(playerId, key) }))
    const other = await claimElsewhere(asked.map(({ key, call }) => ({ key, fingerprint: fingerprintOfCall(call) })))
    const answers = Promise.all(
      asked.map(async ({ key, call }) => ({ key, sent: await sentOf(await world.askCore(call)) })),
    )
    await eventually(hasLooked, 5_000)
    await pause(Math.random() * 60)
    await other.commit()
    const all = await answers
    if (all.some(({ sent }) => sent.status === 409)) continue
    counted++
    for (const { key, sent } of all)
      expect(sent).toMatchObject({ status: 200, replayed: true, text: earlierAnswer(key) })
  }
  for (const { playerId } of players) expect(await effectsOn(playerId)).toEqual(untouched)
})

test('a claim that commits after a statement’s snapshot and before its look has that statement do nothing', {
  timeout: 90_000,
}, async () => {
  const players = await signInMany(4)
  const principal = await principalOfServer()
  let raced = 0
  let rounds = 0
  // The moment is a fraction of a millisecond wide, so it is looked for until it was met often enough.
  while (raced < 5 && rounds < 400) {
    rounds++
    const commands = players.map(({ playerId }) => ({ playerId, key: randomUUID() }))
    const other = await claimElsewhere(commands.map(({ key }) => ({ key, fingerprint: 'same' })))
    const looking = commands.map(async ({ playerId, key }) => {
      for (let outcome = 'busy'; outcome !== 'replayed'; ) {
        const ids = { transactionId: newId('transaction', cell, Date.now()), eventId: newId('event', cell, Date.now()) }
        const input = JSON.stringify({ ...ids, reason: 'test', changes: [{ currency: 'coins', amount: 10 }] })
        const parameters = [
          ...[[principal], [key], ['same'], [playerId], [input], [randomUUID()], ['00-0-0-01']],
          String(Date.now()),
        ]
        const [row] = await world.database.statement<SetRow>(moveStatement.passing, parameters)
        outcome = row?.outcome ?? 'none'
        expect(['busy', 'raced', 'replayed']).toContain(outcome)
        if (outcome === 'raced') raced++
      }
    })
    await pause(2 + Math.random() * 4)
    await other.commit()
    await Promise.all(looking)
  }
  expect(raced).toBeGreaterThanOrEqual(5)
  for (const { playerId } of players) expect(await effectsOn(playerId)).toEqual(untouched)
  console.log(`commits between snapshot and look: met ${raced} times in ${rounds} rounds, no effect`)
})

test('a key belongs to one request: another body or another player under it is 422 and has no effect', async () => {
  const [ada, bob] = await signInMany(2)
  if (!ada || !bob) throw new Error('two players were asked for')
  const key = randomUUID()
  expect((await grant({ playerId: ada.playerId, key })).status).toBe(200)
  const others = [
    await grant({ playerId: ada.playerId, key, body: bodyOf(11) }),
    // The same request in other bytes is another request: nobody has to guess which differences count.
    await grant({ playerId: ada.playerId, key, body: `${bodyOf(10)} ` }),
    await grant({ playerId: bob.playerId, key }),
  ]
  expect(others.map((sent) => [sent.status, codeOf(sent)])).toEqual(others.map(() => [422, 'idempotency_mismatch']))
  expect(await effectsOn(ada.playerId)).toEqual({ transactions: 1, entries: 1, events: 1, coins: 10 })
  expect(await effectsOn(bob.playerId)).toEqual(untouched)
})

test('a grant without a key, or with one that is not printable ASCII of 1 to 255 characters, is 400', async () => {
  const { playerId } = await world.signIn()
  const missing = await grant({ playerId })
  expect([missing.status, codeOf(missing)]).toEqual([400, 'idempotency_key_missing'])
  for (const key of ['a b', 'a\tb', 'x'.repeat(256)]) {
    const sent = await grant({ playerId, key })
    expect([key, sent.status, codeOf(sent)]).toEqual([key, 400, 'idempotency_key_invalid'])
  }
  expect((await grant({ playerId, key: '' })).status).toBe(400)
  expect(await effectsOn(playerId)).toEqual(untouched)
  for (const key of ['x'.repeat(255), '~', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}'])
    expect([key, (await grant({ playerId, key })).status]).toEqual([key, 200])
})

test('a key with a letter beyond ASCII is 400 like every other key that will not do', async () => {
  const { playerId } = await world.signIn()
  const sent = await grant({ playerId, key: 'clé' })
  expect([sent.status, codeOf(sent)]).toEqual([400, 'idempotency_key_invalid'])
})

test('a refusal is an answer too: its retry gets the same bytes, even when it would succeed by now', async () => {
  const { playerId } = await world.signIn()
  const key = randomUUID()
  const first = await grant({ playerId, key, body: bodyOf(-30) })
  expect([first.status, codeOf(first), first.replayed]).toEqual([409, 'insufficient_funds', false])
  await grant({ playerId, key: randomUUID(), body: bodyOf(30) })
  // Not through the contract's check: the request id in a replayed problem is that of the first call, as are all its bytes.
  const again = await sentOf(await world.askCore(grantCall(playerId, key, bodyOf(-30))))
  expect(again).toEqual({ ...first, replayed: true })
  expect(await effectsOn(playerId)).toMatchObject({ transactions: 1, coins: 30 })
})

test('a grant is remembered for ever: its retry finds the answer after the claim was reaped', async () => {
  const { playerId } = await world.signIn()
  const key = randomUUID()
  const first = await grant({ playerId, key })
  expect(await world.sql`delete from idempotency_claims where key = ${key} returning key`).toHaveLength(1)
  expect(await grant({ playerId, key })).toEqual({ ...first, replayed: true })
  expect(codeOf(await grant({ playerId, key, body: bodyOf(11) }))).toBe('idempotency_mismatch')
  expect(await effectsOn(playerId)).toEqual({ transactions: 1, entries: 1, events: 1, coins: 10 })
})

test('keys are their caller’s own: another backend may use the same one', async () => {
  const { playerId } = await world.signIn()
  const options = {
    kind: 'server',
    name: 'other',
    origins: [],
    scopes: ['*'],
    role: undefined,
    cell,
    now: new Date(),
  } as const
  const other = await createApiKey(world.database.db, options)
  const key = randomUUID()
  const answers = [await grant({ playerId, key }), await grant({ playerId, key, bearer: other.key })]
  expect(answers.map(({ status, replayed }) => [status, replayed])).toEqual([
    [200, false],
    [200, false],
  ])
  expect(await effectsOn(playerId)).toEqual({ transactions: 2, entries: 2, events: 2, coins: 20 })
})

const renames = async (playerId: PlayerId): Promise<number> => {
  const [row] = await world.sql`select count(*)::int as count from outbox
    where aggregate = ${`player:${playerId}`} and type = 'perigee.player.updated.v1'`
  return row?.count
}

test('a change of a profile, sent 20 times at once under one key, happens once; another body under it is 422', async () => {
  const { playerId, accessToken } = await world.signIn()
  const key = randomUUID()
  const herd = await Promise.all(
    Array.from({ length: 20 }, async () => ({ key, sent: await rename(accessToken, key, 'Ada') })),
  )
  expectOneAnswerAKey(herd)
  expect(codeOf(await rename(accessToken, key, 'Eve'))).toBe('idempotency_mismatch')
  expect(await renames(playerId)).toBe(1)
  // Where the key may be absent, the edge makes one up: two calls are two changes.
  await rename(accessToken, undefined, 'Ada')
  await rename(accessToken, undefined, 'Ada')
  expect(await renames(playerId)).toBe(3)
})

test('a change that waits for its row is answered once it has it, and so is its retry, with the same bytes', async () => {
  const { playerId, key, calls } = await untilMet(async () => {
    const { playerId, accessToken } = await world.signIn()
    const key = randomUUID()
    const { calling, met } = await world.sql.begin(async (tx) => {
      await tx`select from players where player_id = ${playerId} for update`
      const calling = Promise.all([rename(accessToken, key, 'Ada'), rename(accessToken, key, 'Ada')])
      return { calling, met: await meet(world, 1) }
    })
    const calls = await calling
    return met && calls.every(({ status }) => status !== 503) ? { playerId, key, calls } : undefined
  })
  expectOneAnswerAKey(calls.map((sent) => ({ key, sent })))
  expect(await renames(playerId)).toBe(1)
})

test('a retry while the first call still runs is told so after half a second, and gets its answer later', async () => {
  const { playerId, accessToken } = await world.signIn()
  // Longer than a retry waits. A row lock would not do: the first call itself gives up on one after half a second.
  await world.sql.unsafe(`
    create function test_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1.5); return new; end $$;
    create trigger test_slow before update on players for each row when (new.player_id = '${playerId}') execute function test_slow()`)
  const key = randomUUID()
  const first = rename(accessToken, key, 'Ada')
  await eventually(
    async () =>
      (
        await world.sql`select from pg_locks join pg_database d on d.oid = database
          where datname = current_database() and locktype = 'advisory' and granted`
      ).length > 0,
    1_000,
  )
  const startedAt = performance.now()
  const second = await rename(accessToken, key, 'Ada')
  const waitedMs = performance.now() - startedAt
  expect([second.status, codeOf(second), second.retryAfter]).toEqual([409, 'idempotency_in_flight', '1'])
  expect(waitedMs).toBeGreaterThan(450)
  expect(waitedMs).toBeLessThan(1_500)
  expect(await first).toMatchObject({ status: 200, replayed: false })
  expect(await rename(accessToken, key, 'Ada')).toEqual({ ...(await first), replayed: true })
  expect(await renames(playerId)).toBe(1)
  await world.sql.unsafe('drop trigger test_slow on players; drop function test_slow')
  console.log(`in flight: told after ${Math.round(waitedMs)} ms`)
})
