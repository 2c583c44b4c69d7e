import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { codeOf, deleteByOperator, eraserOfWorld, eventsOf, failureOf } from './erasing.ts'
import { eventually } from './eventually.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'
import { releasedAtOnce, untilMet } from './locks.ts'

const dayMs = 24 * 3_600_000
const [requested, cancelled, deleted] = [
  'perigee.player.deletion_requested.v1',
  'perigee.player.deletion_cancelled.v1',
  'perigee.player.deleted.v1',
]

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const signIn = (body: { deviceId: string; restore?: boolean; create?: boolean }) =>
  world.client().signInWithDevice({ body })
const restore = (deviceId: string) => signIn({ deviceId, restore: true })
const typesOf = async (playerId: PlayerId) => (await eventsOf(world, playerId)).map(({ type }) => type)
const leave = async (deviceId: string): Promise<SignedIn & { readonly deleteAt: string }> => {
  const player = await world.signIn(deviceId)
  return { ...player, deleteAt: (await player.client.deleteOwnAccount()).body.deleteAt }
}

test('who asks for deletion is signed out everywhere, and told when it will be: in 30 days', async () => {
  const deviceId = randomUUID()
  const other = await world.signIn(deviceId)
  const askedAt = Date.now()
  const player = await leave(deviceId)
  expect(Math.abs(Date.parse(player.deleteAt) - askedAt - 30 * dayMs)).toBeLessThan(10_000)
  for (const { client, refreshToken } of [other, player]) {
    expect(await codeOf(world.client().refreshSession({ body: { refreshToken } }))).toBe('refresh_token_invalid')
    expect(await codeOf(client.deleteOwnAccount())).toBe('token_invalid')
  }
  const { playerId, deleteAt } = player
  expect(await eventsOf(world, playerId)).toEqual([{ type: requested, data: { playerId, deleteAt } }])
})

test('a sign-in before that is told when it will be, and takes nothing back by itself', async () => {
  const deviceId = randomUUID()
  const { playerId, deleteAt } = await leave(deviceId)
  for (const body of [{ deviceId }, { deviceId, create: false }, { deviceId, restore: false }]) {
    const { status, problem } = await failureOf(signIn(body))
    expect([status, problem]).toMatchObject([403, { code: 'deletion_pending', deleteAt }])
  }
  expect(await typesOf(playerId)).toEqual([requested])
})

test('a sign-in that asks for it takes the deletion back, and goes on as any other', async () => {
  const deviceId = randomUUID()
  const { playerId } = await leave(deviceId)
  const { body } = await restore(deviceId)
  expect([body.player.id, body.created]).toEqual([playerId, false])
  await world.client({ bearer: body.accessToken }).updateOwnProfile({ body: { displayName: 'Ada' } })
  expect((await typesOf(playerId)).slice(0, 2)).toEqual([requested, cancelled])
  const [row] = await world.sql`select delete_at from players where player_id = ${playerId}`
  expect(row?.delete_at).toBeNull()
})

test('of many who take it back at once one does, and all sign in', async () => {
  const { playerId, answers } = await untilMet(async () => {
    const deviceId = randomUUID()
    const { playerId } = await leave(deviceId)
    const calls = await releasedAtOnce(
      world,
      (tx) => tx`select from players where player_id = ${playerId} for no key update`,
      Array.from({ length: 4 }, () => () => restore(deviceId).catch(() => undefined)),
      // Two at the least have seen that there is a deletion to take back.
      { waiting: 2 },
    )
    const answers = calls?.filter((answer) => answer !== undefined)
    return answers?.length === 4 ? { playerId, answers } : undefined
  })
  for (const { body } of answers) {
    expect([body.player.id, body.created]).toEqual([playerId, false])
    await world.client({ bearer: body.accessToken }).updateOwnProfile({ body: { country: 'DE' } })
  }
  expect((await typesOf(playerId)).filter((type) => type === cancelled)).toHaveLength(1)
})

test('where nothing was to be taken back, it is a sign-in as any other', async () => {
  const deviceId = randomUUID()
  const { body } = await restore(deviceId)
  expect(body.created).toBe(true)
  expect((await restore(deviceId)).body.player.id).toBe(body.player.id)
  expect(await typesOf(body.player.id)).toEqual([])
})

test('who is banned is told so, and takes nothing back', async () => {
  const deviceId = randomUUID()
  const { playerId } = await leave(deviceId)
  const operator = world.client({ bearer: world.keys.operator })
  await operator.banPlayer({ params: { playerId }, body: { reason: 'x' } })
  expect(await codeOf(restore(deviceId))).toBe('player_banned')
  expect(await typesOf(playerId)).not.toContain(cancelled)
  expect((await operator.getPlayerRecord({ params: { playerId } })).body.deleteAt).not.toBeNull()
})

test('of calls for deletion at once each is answered with the same moment or that the session is over; one event leaves', async () => {
  const player = await world.signIn()
  const calls = Array.from({ length: 8 }, () =>
    player.client.deleteOwnAccount().then(
      ({ body }) => body.deleteAt,
      (error: { code?: string }) => error.code,
    ),
  )
  const answers = new Set(await Promise.all(calls))
  answers.delete('token_invalid')
  // Told to come again, on a machine that stood still while one had the row.
  answers.delete('unavailable')
  expect(answers.size).toBe(1)
  expect(await typesOf(player.playerId)).toEqual([requested])
})

test('who has been deleted is the same 404 to everybody, and no operator can do anything to them', async () => {
  const deviceId = randomUUID()
  const { playerId } = await world.signIn(deviceId)
  const reader = await world.signIn()
  await deleteByOperator(world, playerId)
  const operator = world.client({ bearer: world.keys.operator })
  const server = world.client({ bearer: world.keys.server })
  const params = { playerId }
  const answers = await Promise.all(
    [
      reader.client.getProfile({ params }),
      operator.getPlayerRecord({ params }),
      operator.banPlayer({ params, body: { reason: 'x' } }),
      operator.unbanPlayer({ params }),
      operator.deletePlayer({ params }),
      server.createWalletTransaction(
        { params, body: { changes: [{ currency: 'coins', amount: 1 }], reason: 'test' } },
        { headers: { 'idempotency-key': randomUUID() } },
      ),
    ].map(failureOf),
  )
  for (const { status, problem } of answers) {
    const { requestId, ...body } = problem ?? {}
    expect(requestId).toBeTruthy()
    expect([status, body]).toEqual([
      404,
      {
        type: '/docs/errors/not_found.md',
        title: 'There is nothing here that you may see',
        status: 404,
        code: 'not_found',
      },
    ])
  }
})

test('a deletion by an operator that is sent again under its key is answered as at first, and is one act', async () => {
  const { playerId } = await world.signIn()
  const key = randomUUID()
  const answers = [await deleteByOperator(world, playerId, key), await deleteByOperator(world, playerId, key)]
  expect(answers.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true'])
  expect(answers[1]?.body).toEqual(answers[0]?.body)
  expect(await typesOf(playerId)).toEqual([deleted])
  const acts = await world.sql`select action, detail from audit_log where subject = ${`player:${playerId}`}`
  expect(acts.map(({ action, detail }) => ({ action, detail }))).toEqual([{ action: 'player.delete', detail: {} }])
})

test('what a deleted player signed in with makes a new player at once, also before it is released', async () => {
  const deviceId = randomUUID()
  const { playerId } = await world.signIn(deviceId)
  await deleteByOperator(world, playerId)
  expect(await codeOf(signIn({ deviceId, create: false }))).toBe('not_found')
  const { body } = await restore(deviceId)
  expect([body.created, body.player.id === playerId]).toEqual([true, false])
  await eraserOfWorld(world).runOnce()
  expect((await world.signIn(deviceId)).playerId).toBe(body.player.id)
})

test('a cached profile is gone for everybody once the deletion is heard of, and that it is gone is cached as well', async () => {
  const { playerId } = await world.signIn()
  const reader = await world.signIn()
  const read = () => reader.client.getProfile({ params: { playerId } })
  await read()
  const { headers } = await deleteByOperator(world, playerId)
  expect(headers.get('perigee-consistency')).toBeTruthy()
  const isGone = async () =>
    read().then(
      () => false,
      ({ status }) => status === 404,
    )
  await eventually(isGone, 10_000)
  const statuses = []
  for (let time = 0; time < 3; time++) statuses.push((await failureOf(read())).headers.get('cache-status'))
  expect(statuses.at(-1)).toMatch(/^perigee; hit/)
})

test('edges refuse the tokens of who was deleted, though no session of theirs is left', async () => {
  const { playerId, client } = await world.signIn()
  await deleteByOperator(world, playerId)
  const [left] = await world.sql`select count(*)::int as sessions from sessions where player_id = ${playerId}`
  expect(left?.sessions).toBe(0)
  const told = await world.askCore({
    method: 'GET',
    path: '/internal/documents/revocations',
    principal: { kind: 'public' },
  })
  expect(JSON.parse(await told.text()).players).toContainEqual({ playerId, epoch: 1 })
  expect(await codeOf(client.updateOwnProfile({ body: { displayName: 'Ada' } }))).toBe('token_invalid')
  await eventually(async () => (await codeOf(client.getOwnProfile())) === 'token_invalid', 10_000)
})

test(`a player of ${cell} who is deleted has no wallet to be shown, and nothing is granted to them any more`, async () => {
  const { playerId, client } = await world.signIn()
  const server = world.client({ bearer: world.keys.server })
  const body = { changes: [{ currency: 'coins', amount: 5 }], reason: 'test' }
  const grant = (key: string) =>
    server.createWalletTransaction({ params: { playerId }, body }, { headers: { 'idempotency-key': key } })
  const key = randomUUID()
  const first = await grant(key)
  await deleteByOperator(world, playerId)
  expect(await codeOf(grant(randomUUID()))).toBe('not_found')
  const again = await grant(key)
  expect([again.headers.get('idempotency-replayed'), again.body]).toEqual(['true', first.body])
  expect(['not_found', 'token_invalid']).toContain(await codeOf(client.getWallet()))
  const [wallet] = await world.sql`select balances from wallets where player_id = ${playerId}`
  expect(wallet?.balances).toEqual({ coins: 5 })
})
