import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { newId, type SessionId, sessionIdSchema } from '#contract/ids.ts'
import { createReaper } from '#core/reap.ts'
import { accessLifeMs, revocationLifeMs } from '#core/revocation.ts'
import { createLog } from '#infra/log.ts'
import { startCoreProcess } from './core-process.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'
import { startIsolates } from './isolates.ts'
import { outcomeOf } from './outcome.ts'

/** What is promised of reads. */
const boundMs = 10_000
/** An edge serves a player a hundred times in ten seconds. */
const everyMs = 250

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Device = SignedIn & { readonly sessionId: SessionId }

const sessionIdOf = (refreshToken: string): SessionId => sessionIdSchema.parse(refreshToken.split('.')[1])

/** One player, signed in so many times, the earliest first. */
const signInTimes = async (times: number, deviceId: string = randomUUID()): Promise<Device[]> => {
  const devices: Device[] = []
  for (let time = 0; time < times; time++) {
    const device = await world.signIn(deviceId)
    devices.push({ ...device, sessionId: sessionIdOf(device.refreshToken) })
    // An id begins with its millisecond, and among those of one the order is chance.
    await pause(2)
  }
  return devices
}

const readOf = ({ client }: Device) => outcomeOf(client.getOwnProfile())
const writeOf = ({ client }: Device) => outcomeOf(client.updateOwnProfile({ body: { displayName: 'Ada' } }))
const refreshOf = ({ refreshToken }: Device) => outcomeOf(world.client().refreshSession({ body: { refreshToken } }))

/** Reads until it is refused, as it must be within the bound, and stays refused. */
const expectReadsToEnd = async (device: Device) => {
  const startedAt = performance.now()
  for (let outcome = await readOf(device); outcome !== 'token_invalid'; outcome = await readOf(device)) {
    expect(outcome).toBe('served')
    expect(performance.now() - startedAt, 'ms in which reads went on').toBeLessThan(boundMs)
    await pause(everyMs)
  }
  expect(await readOf(device)).toBe('token_invalid')
}

/** Over at once: its refresh token and its writes. Its reads, within the bound. */
const expectEnded = async (device: Device) => {
  expect([await refreshOf(device), await writeOf(device)]).toEqual(['refresh_token_invalid', 'token_invalid'])
  await expectReadsToEnd(device)
}

const expectGoingOn = async (device: Device) =>
  expect([await readOf(device), await writeOf(device), await refreshOf(device)]).toEqual(['served', 'served', 'served'])

const end = (by: Device, sessionId: SessionId) => by.client.endOwnSession({ params: { sessionId } })
const listOf = async ({ client }: Device) => (await client.listOwnSessions()).body.sessions

test('a player is told the own sessions that still stand, the latest first, and in which one it was asked', async () => {
  const [ended, expired, first, second, third] = (await signInTimes(5)) as [Device, Device, Device, Device, Device]
  await signInTimes(1)
  await end(first, ended.sessionId)
  await world.sql`update sessions set expires_at = now() where session_id = ${expired.sessionId}`
  await world.client().refreshSession({ body: { refreshToken: third.refreshToken } })
  const sessions = await listOf(second)
  expect(sessions.map(({ sessionId, current }) => [sessionId, current])).toEqual([
    [third.sessionId, false],
    [second.sessionId, true],
    [first.sessionId, false],
  ])
  const [used, ...unused] = sessions
  expect(Date.parse(used?.lastUsedAt ?? '')).toBeGreaterThan(Date.parse(used?.createdAt ?? ''))
  for (const { createdAt, lastUsedAt } of unused) expect(lastUsedAt).toBe(createdAt)
})

test('of more than a hundred sessions the latest hundred are told', async () => {
  const [device] = (await signInTimes(1)) as [Device]
  // Their ids count up from one that is older than the device's own.
  const older = newId('session', cell, Date.now() - 60_000).slice(0, -3)
  await world.sql`
    insert into sessions (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at)
    select ${older}::text || lpad(n::text, 3, '0'), ${device.playerId}, 0, 0, repeat('0', 64), '{}', now(), now() + interval '1 day'
    from generate_series(1, 120) n`
  const told = (await listOf(device)).map(({ sessionId }) => sessionId)
  const expected = Array.from({ length: 99 }, (_, at) => older + String(120 - at).padStart(3, '0'))
  expect(told).toEqual([device.sessionId, ...expected])
})

test.concurrent('another device that is signed out refreshes and writes nothing from then on, and soon reads nothing', async () => {
  const [lost, kept, other] = (await signInTimes(3)) as [Device, Device, Device]
  await end(kept, lost.sessionId)
  await expectEnded(lost)
  for (const device of [kept, other]) await expectGoingOn(device)
})

test.concurrent('a logout ends the session that it is made in, and no other', async () => {
  const [left, kept] = (await signInTimes(2)) as [Device, Device]
  await left.client.logOut({ body: {} })
  await expectEnded(left)
  await expectGoingOn(kept)
})

test.concurrent('a logout everywhere ends every session, and a new one begins at once', async () => {
  const deviceId = randomUUID()
  const devices = await signInTimes(3, deviceId)
  await devices[1]?.client.logOut({ body: { everywhere: true } })
  const [again] = (await signInTimes(1, deviceId)) as [Device]
  expect(again.playerId).toBe(devices[0]?.playerId)
  await expectGoingOn(again)
  expect((await listOf(again)).map(({ sessionId }) => sessionId)).toEqual([again.sessionId])
  await Promise.all(devices.map(expectEnded))
  await expectGoingOn(again)
})

test.concurrent('a refresh token that comes from a thief takes the access tokens of its session along', async () => {
  const [robbed, kept] = (await signInTimes(2)) as [Device, Device]
  const { refreshToken } = robbed
  const { body: second } = await world.client().refreshSession({ body: { refreshToken } })
  const { body: third } = await world.client().refreshSession({ body: { refreshToken: second.refreshToken } })
  // An edge signs with the machine's time, so the past is moved away instead of the core's clock.
  await world.sql`update sessions set used_at_ms = array(select t - 60000 from unnest(used_at_ms) t)
    where session_id = ${robbed.sessionId}`
  expect(await refreshOf(robbed)).toBe('refresh_token_reused')
  const newest = { ...third, client: world.client({ bearer: third.accessToken }) }
  await Promise.all([expectEnded(robbed), expectEnded({ ...robbed, ...newest })])
  await expectGoingOn(kept)
})

test('a logout that is made again is told that the session has ended', async () => {
  const [device] = (await signInTimes(1)) as [Device]
  await device.client.logOut({ body: {} })
  for (const everywhere of [false, true])
    expect(await outcomeOf(device.client.logOut({ body: { everywhere } }))).toBe('token_invalid')
})

test('a session that has ended ends no other', async () => {
  const [ended, kept] = (await signInTimes(2)) as [Device, Device]
  await end(kept, ended.sessionId)
  expect(await outcomeOf(end(ended, kept.sessionId))).toBe('token_invalid')
  await expectGoingOn(kept)
})

test('what has ended stays so, and whoever ends it again is told since when', async () => {
  const [left, other, kept] = (await signInTimes(3)) as [Device, Device, Device]
  const ends = [[left, (await left.client.logOut({ body: {} })).body.endedAt]] as [Device, string][]
  ends.push([other, (await end(kept, other.sessionId)).body.endedAt])
  await pause(5)
  for (const [{ sessionId }, endedAt] of ends)
    for (let time = 0; time < 2; time++) expect((await end(kept, sessionId)).body).toEqual({ endedAt })
})

test('to end another’s session is the same 404 as one that never was, and ends nothing', async () => {
  const [own] = (await signInTimes(1)) as [Device]
  const [another] = (await signInTimes(1)) as [Device]
  const elsewhere = another.sessionId.replace(`_${cell}_`, '_us1_') as SessionId
  const bodies = []
  for (const sessionId of [another.sessionId, newId('session', cell, Date.now()), elsewhere]) {
    const error = await end(own, sessionId).catch((reason: unknown) => reason)
    if (!(error instanceof CallError)) throw new Error('it was ended')
    const { requestId, ...problem } = error.problem ?? {}
    expect(requestId).toBeTruthy()
    bodies.push({ status: error.status, ...problem })
  }
  expect(bodies[0]).toMatchObject({ status: 404, code: 'not_found' })
  for (const body of bodies) expect(body).toEqual(bodies[0])
  await expectGoingOn(another)
})

test('a core that begins anew tells edges that begin anew what was ended before', async () => {
  const [ended, kept, gone] = (await signInTimes(3)) as [Device, Device, Device]
  const [everywhere] = (await signInTimes(1)) as [Device]
  await end(kept, ended.sessionId)
  await gone.client.logOut({ body: {} })
  await everywhere.client.logOut({ body: { everywhere: true } })
  const core = await startCoreProcess(world)
  const { urls, stop } = await startIsolates(world, { isolates: 1, coreUrl: core.url })
  const baseUrl = urls[0] ?? ''
  const there = ({ accessToken }: Device) => outcomeOf(world.client({ bearer: accessToken, baseUrl }).getOwnProfile())
  expect(await Promise.all([ended, gone, everywhere, kept].map(there))).toEqual([
    ...Array.from({ length: 3 }, () => 'token_invalid'),
    'served',
  ])
  await stop()
  await core.stop()
})

/** Last, for it moves the core's clock, and an edge would sign what a core of another time finds too old. */
test('edges are told of an end for as long as a token of then may live, and then it is forgotten', async () => {
  const [ended, kept] = (await signInTimes(2)) as [Device, Device]
  const [everywhere] = (await signInTimes(1)) as [Device]
  await end(kept, ended.sessionId)
  await everywhere.client.logOut({ body: { everywhere: true } })
  const told = async () => {
    const path = '/internal/documents/revocations'
    return (await world.askCore({ method: 'GET', path, principal: { kind: 'public' } })).text()
  }
  const reap = createReaper({
    db: world.database.db,
    log: createLog({ service: 'test', cell }, () => {}),
    clock: world.clock,
  })
  const rowsOf = async () => (await world.sql`select revoked_id from revocations`).map((row) => row.revoked_id)
  world.clock.advance(accessLifeMs)
  await reap.runOnce()
  for (const id of [ended.sessionId, everywhere.playerId]) {
    expect(await told()).toContain(id)
    expect(await rowsOf()).toContain(id)
  }
  world.clock.advance(revocationLifeMs - accessLifeMs)
  expect(JSON.parse(await told())).toEqual({ sessions: [], players: [] })
  await reap.runOnce()
  expect(await rowsOf()).toEqual([])
})
