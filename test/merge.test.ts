import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { cellSchema, newId, type PlayerId } from '#contract/ids.ts'
import { auditLedger, noTotals } from '#core/audit-ledger.ts'
import { encodeToken, firstToken } from '#core/auth/refresh-token.ts'
import { toMessage } from '#core/cloud-event.ts'
import type { MovedPlayers } from '#core/directory.ts'
import { createCredentialMover } from '#core/move-credentials.ts'
import { createSecrets, sha256 } from '#core/secrets.ts'
import { databaseErrorCode } from '#db/errors.ts'
import { outbox } from '#db/outbox.ts'
import { lockPlayers } from '#db/players.ts'
import { makeDevice } from './device.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'
import { meet, untilMet } from './locks.ts'
import { makePlayers } from './wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Guest = SignedIn & { readonly deviceId: string }

const makeGuest = async (balances: Readonly<Record<string, number>> = {}): Promise<Guest> => {
  const deviceId = randomUUID()
  const guest = { ...(await world.signIn(deviceId)), deviceId }
  if (Object.keys(balances).length > 0) await grant(guest.playerId, balances)
  return guest
}

const grant = (playerId: PlayerId, balances: Readonly<Record<string, number>>) => {
  const changes = Object.entries(balances).map(([currency, amount]) => ({ currency, amount }))
  return world
    .client({ bearer: world.keys.server })
    .createWalletTransaction({ params: { playerId }, body: { changes, reason: 'test' } })
}

const merge = ({ client }: Guest, { refreshToken }: Pick<Guest, 'refreshToken'>, idempotencyKey = randomUUID()) =>
  client.mergeAccounts({ body: { refreshToken } }, { idempotencyKey })

/** `done`, or the problem of the refusal. */
const outcomeOf = async (call: Promise<unknown>) => {
  try {
    await call
    return { code: 'done' }
  } catch (error) {
    if (error instanceof CallError) return { code: error.code, ...error.problem }
    throw error
  }
}
/** As a client does that is told that others write to the same thing. */
const insist = async (mine: Guest, other: Guest) => {
  const key = randomUUID()
  for (;;) {
    const outcome = await outcomeOf(merge(mine, other, key))
    if (outcome.code !== 'unavailable') return outcome
  }
}

const refused = (code: string) => expect.objectContaining({ code })

const balancesOf = async ({ client }: Guest) => (await client.getWallet()).body.balances
const nothing = [
  { currency: 'coins', amount: 0 },
  { currency: 'gems', amount: 0 },
]

const audit = async () => {
  let totals = noTotals
  const options = { after: undefined, player: undefined, batch: 100, pauseMs: 0, most: 10 }
  for await (const batch of auditLedger(world.database, { ...options, signal: new AbortController().signal })) {
    expect(batch.listed).toEqual([])
    totals = batch.totals
  }
  return totals
}

test('of two accounts one remains: it has the value of both, its own profile, and every way to sign in', async () => {
  const mine = await makeGuest({ coins: 70, gems: 1 })
  const other = await makeGuest({ coins: 30 })
  await mine.client.updateOwnProfile({ body: { displayName: 'Ada', country: 'FR' } })
  const profile = (await mine.client.getOwnProfile()).body
  const { body } = await merge(mine, other)
  const balances = [
    { currency: 'coins', amount: 100 },
    { currency: 'gems', amount: 1 },
  ]
  expect(body).toEqual({ player: profile, balances, merged: other.playerId })
  expect(await balancesOf(mine)).toEqual(balances)
  for (const { deviceId } of [mine, other]) expect((await world.signIn(deviceId)).playerId).toBe(mine.playerId)
  await grant(mine.playerId, { coins: 1 })
  expect((await audit()).differences).toBe(0)
})

test('what the other account links while it is merged is given back, and is nobody’s', async () => {
  const { linked, row } = await untilMet(async () => {
    const [mine, other] = [await makeGuest(), await makeGuest()]
    const deviceId = randomUUID()
    const { merging, linking } = await world.sql.begin(async (tx) => {
      await tx`select from wallets where player_id = ${other.playerId} for update`
      const merging = outcomeOf(merge(mine, other))
      const linking = (await meet(world, 1)) ? outcomeOf(other.client.linkDevice({ body: { deviceId } })) : undefined
      return { merging, linking: linking && (await meet(world, 2)) ? linking : undefined }
    })
    if ((await merging).code !== 'done' || !linking) return undefined
    const linked = await linking
    // Without a row it came when all was over: the relay may be one of those who wait.
    const [row] = await world.sql`select player_id from credentials
      where credential_hash = ${sha256('device:', deviceId)}`
    return row && linked.code !== 'unavailable' ? { linked, row } : undefined
  })
  expect(linked).toEqual(refused('token_invalid'))
  expect(row).toEqual({ player_id: null })
})

test('the other account is gone: its sessions have ended, its profile is 404, its wallet takes nothing, its row tells nothing', async () => {
  const mine = await makeGuest()
  const other = await makeGuest({ coins: 5 })
  const elsewhere = await world.signIn(other.deviceId)
  await other.client.updateOwnProfile({ body: { displayName: 'Somebody', country: 'FR', metadata: { a: 1 } } })
  expect((await mine.client.getProfile({ params: { playerId: other.playerId } })).body.displayName).toBe('Somebody')
  await merge(mine, other)
  for (const { client, refreshToken } of [other, elsewhere]) {
    expect(await outcomeOf(world.client().refreshSession({ body: { refreshToken } }))).toEqual(
      refused('refresh_token_invalid'),
    )
    expect(await outcomeOf(client.updateOwnProfile({ body: { displayName: 'Ada' } }))).toEqual(refused('token_invalid'))
    expect((await outcomeOf(client.getWallet())).code).toMatch(/^(not_found|token_invalid)$/)
  }
  // Edges refuse its access tokens by this, until the last has expired.
  expect(await world.sql`select epoch from revocations where revoked_id = ${other.playerId}`).toEqual([{ epoch: 1 }])
  // The client of the merge echoes its consistency token, so it must see this at once.
  expect(await outcomeOf(mine.client.getProfile({ params: { playerId: other.playerId } }))).toEqual(
    refused('not_found'),
  )
  expect(await outcomeOf(grant(other.playerId, { coins: 1 }))).toEqual(refused('not_found'))
  expect(await outcomeOf(grant(other.playerId, { coins: -1 }))).toEqual(refused('not_found'))
  const [row] = await world.sql`
    select display_name, country, metadata, deleted_at is not null as deleted from players where player_id = ${other.playerId}`
  expect(row).toEqual({
    display_name: 'Deleted player',
    country: null,
    metadata: { mergedInto: mine.playerId },
    deleted: true,
  })
})

test('a merge leaves an event of the player who is no more, and one of each wallet, whose transactions name each other', async () => {
  const mine = await makeGuest({ coins: 70 })
  const other = await makeGuest({ coins: 30, gems: 2 })
  await merge(mine, other)
  const events = await world.sql`
    select aggregate, type, data, moved, version from outbox
    where type in ('perigee.player.merged.v1', 'perigee.wallet.changed.v1') and data->>'playerId' in ${world.sql([mine.playerId, other.playerId])}
      and data->>'reason' is distinct from 'test'`
  const eventOf = (aggregate: string) => events.find((event) => event.aggregate === aggregate)
  expect(events).toHaveLength(3)
  const tag = `player:${other.playerId}`
  expect(eventOf(tag)).toMatchObject({
    type: 'perigee.player.merged.v1',
    data: { playerId: other.playerId, mergedInto: mine.playerId },
    moved: [{ tag, version: Number(eventOf(tag)?.version) }],
  })
  const given = eventOf(`wallet:${other.playerId}`)?.data
  const taken = eventOf(`wallet:${mine.playerId}`)?.data
  expect([given, taken]).toMatchObject([
    {
      reason: 'merge',
      changes: [
        { currency: 'coins', amount: -30 },
        { currency: 'gems', amount: -2 },
      ],
      balances: nothing,
    },
    {
      reason: 'merge',
      changes: [
        { currency: 'coins', amount: 30 },
        { currency: 'gems', amount: 2 },
      ],
      balances: [
        { currency: 'coins', amount: 100 },
        { currency: 'gems', amount: 2 },
      ],
    },
  ])
  const transactions = await world.sql`
    select transaction_id, reference, principal from wallet_transactions where reason = 'merge' and player_id in ${world.sql([mine.playerId, other.playerId])}`
  const referenceOf = (id: string) => transactions.find(({ transaction_id }) => transaction_id === id)?.reference
  expect(referenceOf(given.transactionId)).toBe(taken.transactionId)
  expect(referenceOf(taken.transactionId)).toBe(given.transactionId)
  expect(new Set(transactions.map(({ principal }) => principal))).toEqual(new Set([`player:${mine.playerId}`]))
})

test('news of a credential that crosses with merges leads to the one who is left, and to a new player once that one is gone', async () => {
  const [first, second, third] = [await makeGuest(), await makeGuest(), await makeGuest()]
  await merge(second, first)
  await merge(third, second)
  for (const gone of [first, second]) {
    for (const create of [false, true]) {
      await world.sql`update credentials set player_id = ${gone.playerId} where credential_hash = ${sha256('device:', first.deviceId)}`
      const { body } = await world.client().signInWithDevice({ body: { deviceId: first.deviceId, create } })
      expect([body.player.id, body.created]).toEqual([third.playerId, false])
    }
  }
  await world.sql`update players set deleted_at = now() where player_id = ${third.playerId}`
  const { body } = await world.client().signInWithDevice({ body: { deviceId: first.deviceId } })
  expect(body.created).toBe(true)
  expect([first, second, third].map(({ playerId }) => playerId)).not.toContain(body.player.id)
})

test('the control cell is told whom an account has become by now, though news of an earlier merge comes last', async () => {
  const [first, second, third] = [await makeGuest(), await makeGuest(), await makeGuest()]
  await merge(second, first)
  await merge(third, second)
  const told: MovedPlayers[] = []
  const untold = () => expect.fail('nothing else is asked')
  const directory = { find: untold, claim: untold, release: untold, place: untold, moveIn: untold }
  const mover = createCredentialMover({
    cell,
    db: world.database.db,
    neighbours: { control: cellSchema.parse('us1'), others: new Map() },
    directory: { ...directory, move: async (players) => void told.push(players) },
    peers: { ask: untold, ping: untold },
    clock: Date.now,
  })
  for (const { playerId } of [second, first]) {
    const [event] = await world.database.db
      .select()
      .from(outbox)
      .where(sql`${outbox.aggregate} = ${`player:${playerId}`} and ${outbox.type} = 'perigee.player.merged.v1'`)
    await mover.handle(toMessage('/cells/eu1', event ?? expect.fail('it has left')))
  }
  expect(told).toEqual([
    { from: second.playerId, to: third.playerId },
    { from: first.playerId, to: third.playerId },
  ])
})

test('a merge that would pass a cap moves nothing at all, and both accounts go on', async () => {
  const mine = await makeGuest({ coins: 5, gems: 700_000 })
  const other = await makeGuest({ coins: 6, gems: 300_001 })
  const { code, ...problem } = await outcomeOf(merge(mine, other))
  expect([code, problem]).toEqual([
    'balance_cap_exceeded',
    expect.objectContaining({ currency: 'gems', balance: 700_000, cap: 1_000_000 }),
  ])
  expect(await balancesOf(other)).toEqual([
    { currency: 'coins', amount: 6 },
    { currency: 'gems', amount: 300_001 },
  ])
  await grant(other.playerId, { gems: -1 })
  expect((await merge(mine, other)).body.balances).toEqual([
    { currency: 'coins', amount: 11 },
    { currency: 'gems', amount: 1_000_000 },
  ])
  expect((await audit()).differences).toBe(0)
})

test('a retry gets the first answer and moves nothing twice; the same token under another key is of a session that has ended', async () => {
  const mine = await makeGuest({ coins: 1 })
  const other = await makeGuest({ coins: 2 })
  const key = randomUUID()
  const first = await merge(mine, other, key)
  const again = await merge(mine, other, key)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect(await outcomeOf(merge(mine, other))).toEqual(refused('refresh_token_invalid'))
  expect(await outcomeOf(merge(mine, await makeGuest(), key))).toEqual(refused('idempotency_mismatch'))
  expect((await balancesOf(mine))[0]).toEqual({ currency: 'coins', amount: 3 })
})

test('any token that a refresh would exchange shows whose the session is, and is not used up by a refusal', async () => {
  const mine = await makeGuest()
  const [first, second] = [await makeGuest({ gems: 1_000_000 }), await makeGuest({ gems: 1 })]
  expect(await outcomeOf(merge(first, second))).toEqual(refused('balance_cap_exceeded'))
  const { body } = await world.client().refreshSession({ body: { refreshToken: second.refreshToken } })
  // The one before the newest, in its grace.
  await merge(mine, second)
  const { refreshToken } = body
  expect(await outcomeOf(world.client().refreshSession({ body: { refreshToken } }))).toEqual(
    refused('refresh_token_invalid'),
  )
})

test('what proves nothing merges nothing and ends nothing: a token that was made up, used long ago, or of a session that ended', async () => {
  const mine = await makeGuest()
  const other = await makeGuest({ coins: 9 })
  const tokens = [other.refreshToken]
  for (let at = 0; at < 2; at++) {
    const { body } = await world.client().refreshSession({ body: { refreshToken: tokens[at] ?? '' } })
    tokens.push(body.refreshToken)
  }
  await world.sql`update sessions set used_at_ms = array(select t - 60000 from unnest(used_at_ms) t)
    where session_id = ${other.refreshToken.split('.')[1] ?? ''}`
  const ended = await makeGuest()
  await ended.client.logOut({ body: {} })
  const [newest = ''] = tokens.toReversed()
  const forged = `${newest.slice(0, -2)}${newest.endsWith('AA') ? 'BB' : 'AA'}`
  for (const refreshToken of ['rt.guessed', forged, other.refreshToken, ended.refreshToken])
    expect(await outcomeOf(merge(mine, { refreshToken }))).toEqual(refused('refresh_token_invalid'))
  expect((await balancesOf(other))[0]).toEqual({ currency: 'coins', amount: 9 })
  expect((await merge(mine, { refreshToken: newest })).body.merged).toBe(other.playerId)
})

test('an account merges neither with itself, nor with one of another cell', async () => {
  const mine = await makeGuest({ coins: 1 })
  const again = await world.signIn(mine.deviceId)
  for (const session of [mine, again])
    expect(await outcomeOf(merge(mine, session))).toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '/refreshToken' }],
    })
  const session = newId('session', cellSchema.parse('us1'), Date.now())
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const refreshToken = encodeToken(secrets, firstToken(secrets, session))
  expect(await outcomeOf(merge(mine, { refreshToken }))).toMatchObject({ code: 'merge_across_cells', cell: 'us1' })
  expect((await balancesOf(mine))[0]).toEqual({ currency: 'coins', amount: 1 })
})

test('who stole a token of a session that is bound to a device takes nothing with it', async () => {
  const thief = await makeGuest()
  const device = makeDevice()
  const { body } = await world
    .client()
    .signInWithDevice({ body: { deviceId: randomUUID(), deviceKey: device.deviceKey } })
  const { refreshToken, player } = body
  await grant(player.id, { coins: 3 })
  const proofs = [undefined, makeDevice().prove(refreshToken, Date.now())]
  for (const proof of proofs)
    expect(await outcomeOf(thief.client.mergeAccounts({ body: { refreshToken, proof } }))).toEqual(
      refused('refresh_proof_invalid'),
    )
  const proof = device.prove(refreshToken, Date.now())
  expect((await thief.client.mergeAccounts({ body: { refreshToken, proof } })).body.merged).toBe(player.id)
})

test('an account that is banned, or about to be deleted, is neither emptied nor filled by its owner', async () => {
  for (const [column, code] of [
    ['banned_until', 'player_banned'],
    ['delete_at', 'deletion_pending'],
  ] as const) {
    const mine = await makeGuest()
    const other = await makeGuest({ coins: 4 })
    // As in the moment before its sessions end.
    await world.sql`update players set ${world.sql(column)} = now() + interval '1 day' where player_id = ${other.playerId}`
    expect(await outcomeOf(merge(mine, other))).toEqual(refused(code))
    expect(await outcomeOf(merge(other, mine))).toEqual(refused(code))
    expect((await balancesOf(other))[0]).toEqual({ currency: 'coins', amount: 4 })
    await world.sql`update players set ${world.sql(column)} = null where player_id = ${other.playerId}`
    expect((await merge(mine, other)).body.merged).toBe(other.playerId)
  }
})

test('of two merges of the same accounts at once, one into the other and back, exactly one happens', async () => {
  const figures: Record<string, number> = {}
  for (let round = 0; round < 25; round++) {
    const [one, two] = [await makeGuest({ coins: 1 }), await makeGuest({ coins: 2 })]
    const outcomes = await Promise.all([insist(one, two), insist(two, one)])
    const codes = outcomes.map(({ code }) => code).sort()
    figures[codes.join(' ')] = (figures[codes.join(' ')] ?? 0) + 1
    expect(codes).toContain('done')
    // The one who lost was merged away before its own merge began, or while it waited for the rows.
    expect(codes.filter((code) => code !== 'done').join()).toMatch(/^(token_invalid|not_found)$/)
    const left = outcomes[0]?.code === 'done' ? one : two
    expect((await balancesOf(left))[0]).toEqual({ currency: 'coins', amount: 3 })
  }
  console.log(`merge both ways: ${JSON.stringify(figures)}`)
  expect((await audit()).differences).toBe(0)
})

/** Whether it waited for a lock for too long, and not in a circle. */
const isLate = (outcome: PromiseSettledResult<unknown>) =>
  outcome.status === 'rejected' && databaseErrorCode(outcome.reason) === '55P03'

test('rows of several players are locked in the order of their ids, whoever is named first, so nobody waits in a circle', async () => {
  const ids = (await makePlayers(world, 2)).toSorted()
  const [, last = ''] = ids
  const lock = async (playerIds: readonly PlayerId[]) => {
    const rows = await world.database.db.transaction((tx) => lockPlayers(tx, playerIds))
    return rows.size
  }
  // Both have their connections, which take their time to be made.
  await Promise.all([lock(ids), lock(ids)])
  const locked = await untilMet(async () => {
    const { both, met } = await world.sql.begin(async (tx) => {
      await tx`select from players where player_id = ${last} for no key update`
      const forth = Promise.allSettled([lock(ids)])
      const first = await meet(world, 1)
      const back = Promise.allSettled([lock(ids.toReversed())])
      return { both: Promise.all([forth, back]), met: first && (await meet(world, 2)) }
    })
    const outcomes = (await both).flat()
    return met && !outcomes.some(isLate) ? outcomes : undefined
  })
  expect(locked).toEqual([2, 2].map((value) => ({ status: 'fulfilled', value })))
})

test('a merge waits for a write of either account that is under way, and moves what that has left', async () => {
  const balances = await untilMet(async () => {
    const mine = await makeGuest({ coins: 1 })
    const other = await makeGuest({ coins: 2 })
    const { merging, met } = await world.sql.begin(async (sql) => {
      await sql`update wallets set balances = '{"coins": 12}', version = version + 1 where player_id = ${other.playerId}`
      const merging = outcomeOf(merge(mine, other))
      const met = await meet(world, 1)
      await sql`insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
        values (${newId('transaction', cell, Date.now())}, ${other.playerId}, 'key:test', ${randomUUID()}, '', 'test', '{}', now())`
      await sql`insert into wallet_entries select player_id, transaction_id, 'coins', 10, 12 from wallet_transactions
        where player_id = ${other.playerId} and principal = 'key:test'`
      return { merging, met }
    })
    return (await merging).code === 'done' && met ? balancesOf(mine) : undefined
  })
  expect(balances[0]).toEqual({ currency: 'coins', amount: 13 })
  expect((await audit()).differences).toBe(0)
})

/** Every table that a merge writes, and one write that it does to it. */
const steps = [
  ['players', 'update'],
  ['sessions', 'update'],
  ['revocations', 'insert'],
  ['credentials', 'update'],
  ['sessions', 'delete'],
  ['outbox', 'update'],
  ['dead_letters', 'delete'],
  ['wallets', 'update'],
  ['wallet_transactions', 'insert'],
  ['wallet_entries', 'insert'],
  ['outbox', 'insert'],
  ['idempotency_claims', 'insert'],
] as const

test.each(steps)(
  'a merge that fails at %s (%s) has done nothing, and a retry with the same key does all of it',
  async (table, write) => {
    const mine = await makeGuest({ coins: 1 })
    const other = await makeGuest({ coins: 2 })
    const both = [mine.playerId, other.playerId]
    const stateOf = async () =>
      JSON.stringify([
        await world.sql`select * from players where player_id in ${world.sql(both)} order by 1`,
        await world.sql`select * from sessions where player_id in ${world.sql(both)} order by 1`,
        await world.sql`select * from credentials where player_id in ${world.sql(both)} order by 2`,
        await world.sql`select * from wallets where player_id in ${world.sql(both)} order by 1`,
        await world.sql`select * from wallet_entries where player_id in ${world.sql(both)} order by 1, 2`,
        await world.sql`select * from revocations where revoked_id in ${world.sql(both)}`,
        await world.sql`select count(*) from outbox where type = 'perigee.player.merged.v1' and data->>'playerId' = ${other.playerId}`,
      ])
    const before = await stateOf()
    const key = randomUUID()
    await world.sql.unsafe(`
    create function fail() returns trigger language plpgsql as $$ begin raise exception 'the step failed'; end $$;
    create trigger fail before ${write} on ${table} for each statement execute function fail()`)
    const failed = await outcomeOf(merge(mine, other, key))
    await world.sql.unsafe('drop function fail() cascade')
    expect(failed).toEqual(refused('internal'))
    expect(await stateOf()).toBe(before)
    expect((await merge(mine, other, key)).body.balances[0]).toEqual({ currency: 'coins', amount: 3 })
    expect((await world.signIn(other.deviceId)).playerId).toBe(mine.playerId)
  },
)
