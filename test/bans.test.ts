import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError, type Client } from '#contract/client.ts'
import { bannedForEver } from '#contract/moderation.ts'
import type { routes } from '#contract/routes.ts'
import { eventually } from './eventually.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'

/** What is promised of reads by a session that has ended. */
const boundMs = 10_000
const dayMs = 24 * 3_600_000

let world: World
let operator: Client<typeof routes>
beforeAll(async () => {
  world = await startWorld()
  operator = world.client({ bearer: world.keys.operator })
})
afterAll(() => world?.stop())

const inDays = (days: number) => new Date(Date.now() + days * dayMs).toISOString()

const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
  const error = await call.catch((reason: unknown) => reason)
  return error instanceof CallError ? error : expect.fail(`should have been refused: ${JSON.stringify(error)}`)
}
const codeOf = async (call: Promise<unknown>) => (await failureOf(call)).code

const ban = ({ playerId }: SignedIn, body: { reason: string; until?: string }, key: string = randomUUID()) =>
  operator.banPlayer({ params: { playerId }, body }, { headers: { 'idempotency-key': key } })
const unban = ({ playerId }: SignedIn) => operator.unbanPlayer({ params: { playerId } })
const recordOf = async ({ playerId }: SignedIn) => (await operator.getPlayerRecord({ params: { playerId } })).body

/** What left about a player but their creation, as `type data`. */
const eventsOf = async ({ playerId }: SignedIn): Promise<unknown[]> => {
  const rows = await world.sql`select type, data, moved from outbox
    where aggregate = ${`player:${playerId}`} and type <> 'perigee.player.created.v1' order by version`
  return rows.map(({ type, data, moved }) => ({ type, data, moved }))
}
const auditOf = async ({ playerId }: SignedIn) => {
  const rows = await world.sql`select action, detail from audit_log
    where subject = ${`player:${playerId}`} order by at, audit_id`
  return rows.map(({ action, detail }) => ({ action, detail }))
}

test('a ban ends every session: refreshes and writes at once, reads within ten seconds', async () => {
  const deviceId = randomUUID()
  const devices = [await world.signIn(deviceId), await world.signIn(deviceId)]
  const [first] = devices as [SignedIn]
  await ban(first, { reason: 'traded accounts' })
  for (const { client, refreshToken } of devices) {
    expect(await codeOf(world.client().refreshSession({ body: { refreshToken } }))).toBe('refresh_token_invalid')
    expect(await codeOf(client.updateOwnProfile({ body: { displayName: 'Ada' } }))).toBe('token_invalid')
  }
  const isRefused = async () =>
    (await first.client.getOwnProfile().then(
      () => '',
      (error: unknown) => (error instanceof CallError ? error.code : ''),
    )) === 'token_invalid'
  await eventually(isRefused, boundMs)
})

test('a banned player is told until when and why, and no session begins', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  const until = inDays(3)
  expect((await ban(player, { reason: 'traded accounts', until })).body).toEqual({ bannedUntil: until })
  const { status, problem } = await failureOf(world.client().signInWithDevice({ body: { deviceId } }))
  expect([status, problem]).toMatchObject([
    403,
    { code: 'player_banned', bannedUntil: until, reason: 'traded accounts' },
  ])
  expect((await recordOf(player)).liveSessions).toBe(0)
})

test('a ban without an end lasts until the year 9999', async () => {
  const player = await world.signIn()
  expect((await ban(player, { reason: 'x' })).body.bannedUntil).toBe(bannedForEver)
  expect((await recordOf(player)).ban).toEqual({ bannedUntil: bannedForEver, reason: 'x' })
})

test('a ban ends by itself when its time has come', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  await ban(player, { reason: 'x', until: inDays(1) })
  await world.sql`update players set banned_until = now() - interval '1 second' where player_id = ${player.playerId}`
  expect((await recordOf(player)).ban).toBeNull()
  expect((await world.signIn(deviceId)).playerId).toBe(player.playerId)
  expect((await unban(player)).body).toEqual({ lifted: false })
})

test('a ban that is lifted lets the player in again, and their old sessions stay over', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  await ban(player, { reason: 'x' })
  expect((await unban(player)).body).toEqual({ lifted: true })
  expect(await codeOf(world.client().refreshSession({ body: { refreshToken: player.refreshToken } }))).toBe(
    'refresh_token_invalid',
  )
  expect((await world.signIn(deviceId)).playerId).toBe(player.playerId)
})

test('what an operator did leaves as one event an act, and stands in the audit log without the reason', async () => {
  const player = await world.signIn()
  const { playerId } = player
  const [until, later] = [inDays(1), inDays(2)]
  await ban(player, { reason: 'first', until })
  await ban(player, { reason: 'second', until: later })
  await unban(player)
  await unban(player)
  const [banned, unbanned] = ['perigee.player.banned.v1', 'perigee.player.unbanned.v1']
  expect(await eventsOf(player)).toEqual([
    { type: banned, data: { playerId, bannedUntil: until }, moved: [] },
    { type: banned, data: { playerId, bannedUntil: later }, moved: [] },
    { type: unbanned, data: { playerId }, moved: [] },
  ])
  expect(await auditOf(player)).toEqual([
    { action: 'player.ban', detail: { bannedUntil: until } },
    { action: 'player.ban', detail: { bannedUntil: later } },
    { action: 'player.unban', detail: { lifted: true } },
    { action: 'player.unban', detail: { lifted: false } },
  ])
})

test('a ban that is sent again under its key is answered as at first, and ends no session that began since', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  const [key, order] = [randomUUID(), { reason: 'x', until: inDays(1) }]
  const first = await ban(player, order, key)
  await unban(player)
  const again = await world.signIn(deviceId)
  const replayed = await ban(player, order, key)
  expect([replayed.headers.get('idempotency-replayed'), replayed.body]).toEqual(['true', first.body])
  await again.client.updateOwnProfile({ body: { displayName: 'Ada' } })
  expect(await auditOf(player)).toHaveLength(2)
})

test('an end that has passed is pointed at, and bans nobody', async () => {
  const player = await world.signIn()
  const { code, problem } = await failureOf(ban(player, { reason: 'x', until: inDays(-1) }))
  expect([code, problem?.errors]).toEqual([
    'invalid_request',
    [{ in: 'body', pointer: '/until', detail: 'must be in the future' }],
  ])
  expect([await eventsOf(player), await auditOf(player)]).toEqual([[], []])
  await player.client.updateOwnProfile({ body: { displayName: 'Ada' } })
})

test.each(['', ' x', 'a\u0007', 'x'.repeat(257)])('a reason of %j is none', async (reason) => {
  expect(await codeOf(ban(await world.signIn(), { reason }))).toBe('invalid_request')
})

test('of sign-ins that meet the ban none leaves a session that goes on', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  const signIns = Array.from({ length: 20 }, () => world.signIn(deviceId).catch((error: unknown) => error))
  await ban(player, { reason: 'x' })
  const begun = (await Promise.all(signIns)).filter((one): one is SignedIn => !(one instanceof Error))
  for (const { refreshToken } of begun)
    expect(await codeOf(world.client().refreshSession({ body: { refreshToken } }))).toBe('refresh_token_invalid')
  expect((await recordOf(player)).liveSessions).toBe(0)
})

test('others see the profile of a banned player as before', async () => {
  const [player, other] = [await world.signIn(), await world.signIn()]
  const read = async () => (await other.client.getProfile({ params: { playerId: player.playerId } })).body
  const before = await read()
  await ban(player, { reason: 'x' })
  expect(await read()).toEqual(before)
})

test('an operator is shown profile, standing, providers by name, and how many sessions stand', async () => {
  const deviceId = randomUUID()
  const player = await world.signIn(deviceId)
  const other = await world.signIn(deviceId)
  await world.client({ bearer: other.accessToken }).logOut({ body: {} })
  await world.signIn(deviceId)
  await world.sql`insert into credentials (provider, credential_hash, player_id, created_at)
    select provider, ${randomUUID()}::text || n, ${player.playerId}::text, now()
    from (values ('email', 1), ('google', 2), ('google', 3)) more(provider, n)`
  expect(await recordOf(player)).toEqual({
    player: (await player.client.getOwnProfile()).body,
    ban: null,
    deleteAt: null,
    providers: ['device', 'email', 'google'],
    liveSessions: 2,
  })
})
