import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { auditLedger } from '#core/audit-ledger.ts'
import { erase } from '#core/erase.ts'
import { sha256 } from '#core/secrets.ts'
import { fileDeadLetter } from '#db/dead-letters.ts'
import { makeDevice } from './device.ts'
import { codeOf, deleteByOperator, eraserOfWorld, eventsOf, makeDue } from './erasing.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { meet, untilMet } from './locks.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  // It has an eraser of its own, and a relay that marks what it has sent.
  await world.platform.stop()
})
afterAll(() => world?.stop())

const grant = ({ playerId }: Pick<SignedIn, 'playerId'>, key: string = randomUUID()) =>
  world
    .client({ bearer: world.keys.server })
    .createWalletTransaction(
      { params: { playerId }, body: { changes: [{ currency: 'coins', amount: 5 }], reason: 'test' } },
      { headers: { 'idempotency-key': key } },
    )

const differencesIn = async (): Promise<number> => {
  const options = { after: undefined, player: undefined, batch: 100, pauseMs: 0, most: 10 }
  let differences = 0
  for await (const { totals } of auditLedger(world.database, { ...options, signal: new AbortController().signal }))
    differences = totals.differences
  return differences
}

const isDeleted = async (playerId: string) =>
  (await world.sql`select deleted_at from players where player_id = ${playerId}`)[0]?.deleted_at !== null

/** What a table may still say of a player who was erased, for each table that there is. */
const mayHold: Readonly<Record<string, 'nothing' | 'the id' | 'the hash' | 'either'>> = {
  api_keys: 'nothing',
  // What an operator did to them, without a word about them.
  audit_log: 'the id',
  consumer_versions: 'nothing',
  content_drafts: 'nothing',
  content_versions: 'nothing',
  // Nobody's, so that its version goes on.
  credentials: 'the hash',
  currencies: 'nothing',
  dead_letters: 'nothing',
  exposures: 'nothing',
  heartbeat: 'nothing',
  // Of operators and backends: the tags that their calls have moved.
  idempotency_claims: 'the id',
  inbox: 'nothing',
  operators: 'nothing',
  // What is on its way or has just left: the end of the player, and that the credential is nobody's.
  outbox: 'either',
  outbox_leases: 'nothing',
  participations: 'nothing',
  passwords: 'nothing',
  // The tombstone.
  players: 'the id',
  // Eleven minutes.
  revocations: 'the id',
  sessions: 'nothing',
  signing_keys: 'nothing',
  // The ledger.
  wallet_entries: 'the id',
  wallet_transactions: 'the id',
  wallets: 'the id',
}

const tablesOf = async (): Promise<string[]> =>
  (
    await world.sql`select table_name as name from information_schema.tables
      where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`
  ).map(({ name }) => name)

/** The tables of which a row holds all the texts, in clear, or as the hex digits of their bytes. */
const tablesWith = async (...texts: string[]): Promise<string[]> => {
  const found: string[] = []
  const hex = texts.map((text) => Buffer.from(text).toString('hex'))
  for (const name of await tablesOf()) {
    const [row] = await world.sql`select exists (select from ${world.sql(name)} t
      where not exists (select from unnest(${texts}::text[], ${hex}::text[]) sought(text, hex)
        where position(text in t::text) = 0 and position(hex in t::text) = 0)) as holds`
    if (row?.holds) found.push(name)
  }
  return found
}

/** A player of whom everything that can be known is, each in words that stand nowhere else. */
const makeKnown = async () => {
  const words = Object.fromEntries(
    ['name', 'avatar', 'metadata', 'reason', 'verifier', 'letter', 'email', 'key', 'zone'].map((what) => [
      what,
      `${what.slice(0, 3)}${randomUUID().replaceAll('-', '').slice(0, 20)}`,
    ]),
  ) as Record<'name' | 'avatar' | 'metadata' | 'reason' | 'verifier' | 'letter' | 'email' | 'key', string>
  const deviceId = randomUUID()
  const { body } = await world.client().signInWithDevice({ body: { deviceId, displayName: words.name } })
  const playerId = body.player.id
  const client = world.client({ bearer: body.accessToken })
  const changes = {
    avatarUrl: `https://a.example/${words.avatar}`,
    ...{ country: 'NZ', language: 'mi-NZ', timeZone: 'Pacific/Chatham' },
    metadata: { secret: words.metadata },
  }
  await client.updateOwnProfile({ body: changes }, { headers: { 'idempotency-key': words.key } })
  await grant({ playerId })
  const { sql, database } = world
  await sql`update players set banned_until = now() + interval '1 day', ban_reason = ${words.reason}
    where player_id = ${playerId}`
  await sql`insert into credentials (provider, credential_hash, player_id, created_at)
    values ('email', ${words.email}, ${playerId}, now())`
  await sql`insert into passwords values (${words.email}, ${words.verifier}, now())`
  for (const subject of [`player:${playerId}`, `credential:email:${words.email}`])
    await fileDeadLetter(database.db, {
      ...{ subscription: 'test', eventId: randomUUID(), reason: 'test', attempts: 10, filedAt: new Date() },
      attributes: { 'ce-subject': subject },
      data: Buffer.from(JSON.stringify({ playerId, name: words.letter })),
    })
  const personal = { ...words, zone: 'Pacific/Chatham', language: 'mi-NZ' }
  return { playerId, deviceHash: sha256('device:', deviceId), personal }
}

test('of who was erased no table holds anything but what is listed here, and each table is', async () => {
  const { playerId, deviceHash, personal } = await makeKnown()
  for (const [what, text] of Object.entries(personal))
    expect(await tablesWith(text), `${what} is there before`).not.toEqual([])
  await deleteByOperator(world, playerId)
  await eraserOfWorld(world).runOnce()

  expect(await tablesOf(), 'a new table: say what it may hold, and have core/erase.ts see to the rest').toEqual(
    Object.keys(mayHold).sort(),
  )
  for (const [what, text] of Object.entries(personal)) {
    if (what !== 'email') expect(await tablesWith(text), `${what} is left`).toEqual([])
  }
  const beyond = async (text: string, allowed: string) =>
    (await tablesWith(text)).filter((name) => ![allowed, 'either'].includes(mayHold[name] ?? ''))
  expect(await beyond(playerId, 'the id')).toEqual([])
  for (const hash of [deviceHash, personal.email]) {
    expect(await beyond(hash, 'the hash')).toEqual([])
    expect(await tablesWith(playerId, hash), 'a row that says whose it was').toEqual([])
  }
  const [tombstone] = await world.sql`select * from players where player_id = ${playerId}`
  expect(tombstone).toMatchObject({
    ...{ display_name: 'Deleted player', avatar_url: null, country: null, language: null, time_zone: null },
    ...{ metadata: {}, banned_until: null, ban_reason: null, delete_at: null },
  })
  expect(await differencesIn()).toBe(0)
})

test('of who was erased nothing is left from an account that had become a part of theirs either', async () => {
  const words = Array.from({ length: 3 }, () => `word${randomUUID().replaceAll('-', '').slice(0, 20)}`)
  const [name = '', avatar = '', letter = ''] = words
  const { deviceKey } = makeDevice()
  const mine = await world.signIn()
  const { body: other } = await world.client().signInWithDevice({ body: { deviceId: randomUUID(), displayName: name } })
  const otherId = other.player.id
  const client = world.client({ bearer: other.accessToken })
  await client.updateOwnProfile({ body: { avatarUrl: `https://a.example/${avatar}` } })
  await world.sql`update sessions set device_key = ${world.sql.json(deviceKey)} where player_id = ${otherId}`
  await fileDeadLetter(world.database.db, {
    ...{ subscription: 'test', eventId: randomUUID(), reason: 'test', attempts: 10, filedAt: new Date() },
    attributes: { 'ce-subject': `player:${otherId}` },
    data: Buffer.from(letter),
  })
  for (const word of [...words, deviceKey.x]) expect(await tablesWith(word), `${word} is there before`).not.toEqual([])
  await mine.client.mergeAccounts({ body: { refreshToken: other.refreshToken } })
  await deleteByOperator(world, mine.playerId)
  await eraserOfWorld(world).runOnce()
  for (const word of [...words, deviceKey.x]) expect(await tablesWith(word), `${word} is left`).toEqual([])
  const holding = await tablesWith(otherId)
  expect(holding.filter((table) => !['the id', 'either'].includes(mayHold[table] ?? ''))).toEqual([])
})

test('who is due is erased, who is not stays, and what they signed in with is nobody’s', async () => {
  const [dueDevice, laterDevice] = [randomUUID(), randomUUID()]
  const [due, later] = [await world.signIn(dueDevice), await world.signIn(laterDevice)]
  for (const { client } of [due, later]) await client.deleteOwnAccount()
  await makeDue(world, due.playerId)
  expect(await eraserOfWorld(world).runOnce()).toMatchObject({ erased: 1, released: 1 })
  expect([await isDeleted(due.playerId), await isDeleted(later.playerId)]).toEqual([true, false])
  const holders = await world.sql`select player_id from credentials
    where credential_hash = ${sha256('device:', dueDevice)}`
  expect(holders.map(({ player_id }) => player_id)).toEqual([null])
  expect(await eraserOfWorld(world).runOnce()).toEqual({ erased: 0, released: 0 })
})

test('of several erasers at once each player is erased by one, and no other event leaves', async () => {
  const players = await Promise.all(Array.from({ length: 12 }, () => world.signIn()))
  for (const { client, playerId } of players) {
    await client.deleteOwnAccount()
    await makeDue(world, playerId)
  }
  const erasers = Array.from({ length: 4 }, () => eraserOfWorld(world))
  const runs = await Promise.all(erasers.map((eraser) => eraser.runOnce()))
  expect(runs.reduce((total, { erased }) => total + erased, 0)).toBe(12)
  for (const { playerId } of players)
    expect((await eventsOf(world, playerId)).map(({ type }) => type)).toEqual([
      'perigee.player.deletion_requested.v1',
      'perigee.player.deleted.v1',
    ])
})

test('a player whom something else holds is passed over, stops no other, and is erased in a later turn', async () => {
  const [held, free] = [await world.signIn(), await world.signIn()]
  for (const { client, playerId } of [held, free]) {
    await client.deleteOwnAccount()
    await makeDue(world, playerId)
  }
  await world.sql.begin(async (tx) => {
    await tx`select from players where player_id = ${held.playerId} for no key update`
    expect((await eraserOfWorld(world).runOnce()).erased).toBe(1)
  })
  expect([await isDeleted(held.playerId), await isDeleted(free.playerId)]).toEqual([false, true])
  expect((await eraserOfWorld(world).runOnce()).erased).toBe(1)
})

test('who has taken it back since the due were listed is not erased', async () => {
  const deviceId = randomUUID()
  const { client, playerId } = await world.signIn(deviceId)
  await client.deleteOwnAccount()
  await makeDue(world, playerId)
  const { db } = world.database
  const transaction: typeof db.transaction = async (work) => {
    await world.client().signInWithDevice({ body: { deviceId, restore: true } })
    return db.transaction(work)
  }
  const later = Object.assign(Object.create(db) as typeof db, { transaction })
  expect((await eraserOfWorld(world, later).runOnce()).erased).toBe(0)
  expect((await world.signIn(deviceId)).playerId).toBe(playerId)
})

/** A player, and the refusal of a call that came while they were erased, and had to wait for what that locks. */
const whileErasing = (
  work: (player: SignedIn) => Promise<unknown>,
  prepare: (player: SignedIn) => Promise<unknown> = async () => {},
) =>
  untilMet(async () => {
    const player = await world.signIn()
    await prepare(player)
    const { call, met } = await world.database.db.transaction(async (tx) => {
      await erase(tx, { playerId: player.playerId, now: new Date() })
      return { call: codeOf(work(player)), met: await meet(world, 1) }
    })
    const code = await call
    return met && code !== 'unavailable' ? { player, code } : undefined
  })

test('a grant that waits for the erasure is refused, and one that came first is in the ledger', async () => {
  const { player, code } = await whileErasing(grant, grant)
  expect(code).toBe('not_found')
  const [wallet] = await world.sql`select balances from wallets where player_id = ${player.playerId}`
  expect(wallet?.balances).toEqual({ coins: 5 })
  expect(await differencesIn()).toBe(0)
})

test('of many grants that meet the erasure those that were answered are in the ledger, and no other', async () => {
  const player = await world.signIn()
  /** 1 or 0. Whoever was told to come again does, with the same key. */
  const granting = async (key: string): Promise<number> => {
    for (let attempt = 1; ; attempt++) {
      const failure = await grant(player, key).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (failure === undefined) return 1
      if (!(failure instanceof CallError)) throw failure
      if (failure.code === 'not_found') return 0
      if (!failure.problem?.retryable || attempt === 5) throw failure
    }
  }
  const grants = Array.from({ length: 40 }, () => granting(randomUUID()))
  await deleteByOperator(world, player.playerId)
  const granted = (await Promise.all(grants)).reduce<number>((total, one) => total + one, 0)
  const [ledger] = await world.sql`select coalesce(sum(amount), 0)::int as amount from wallet_entries
    where player_id = ${player.playerId}`
  expect(ledger?.amount).toBe(granted * 5)
  expect(await differencesIn()).toBe(0)
  console.log(`erasure: ${granted} of 40 grants came before it`)
})

test('a profile change that waits for the erasure writes nothing', async () => {
  const rename = ({ client }: SignedIn) => client.updateOwnProfile({ body: { displayName: 'Left behind' } })
  expect((await whileErasing(rename)).code).toBe('not_found')
  expect(await tablesWith('Left behind')).toEqual([])
})

test('a link that meets the erasure is given back, and no password of it is stored', async () => {
  const [deviceId, email] = [randomUUID(), `${randomUUID()}@example.com`]
  const links = [
    { hash: sha256('device:', deviceId), link: ({ client }: SignedIn) => client.linkDevice({ body: { deviceId } }) },
    {
      hash: sha256('email:', email),
      link: ({ client }: SignedIn) => client.linkEmail({ body: { email, password: 'nobody is to know' } }),
    },
  ]
  for (const { hash, link } of links) {
    expect((await whileErasing(link)).code).toBe('token_invalid')
    const [row] = await world.sql`select player_id from credentials where credential_hash = ${hash}`
    expect(row).toEqual({ player_id: null })
    expect(await world.sql`select from passwords where credential_hash = ${hash}`).toHaveLength(0)
  }
})

test('a session that a sign-in left behind goes with the release', async () => {
  const { playerId } = await world.signIn()
  const [session] = await world.sql`select * from sessions where player_id = ${playerId}`
  await deleteByOperator(world, playerId)
  await world.sql`insert into sessions ${world.sql({ ...session })}`
  await eraserOfWorld(world).runOnce()
  expect(await tablesWith(String(session?.session_id))).toEqual([])
})

test('the event of a creation that has not left yet leaves, without the name', async () => {
  const name = `Name ${randomUUID().slice(0, 12)}`
  const { body } = await world.client().signInWithDevice({ body: { deviceId: randomUUID(), displayName: name } })
  const aggregate = `player:${body.player.id}`
  await world.sql`update outbox set published_at = null where aggregate = ${aggregate}`
  await deleteByOperator(world, body.player.id)
  const [created] = await world.sql`select data from outbox
    where aggregate = ${aggregate} and type = 'perigee.player.created.v1'`
  expect(created?.data).toEqual({ playerId: body.player.id, displayName: 'Deleted player' })
})
