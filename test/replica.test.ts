import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { edgeHeaders } from '#contract/edge-request.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { createReplica } from '#core/replica.ts'
import { openDatabase } from '#db/client.ts'
import { createLog } from '#infra/log.ts'
import type { CoreCall } from './core-call.ts'
import { startCoreProcess } from './core-process.ts'
import { eventually } from './eventually.ts'
import { startHangingProxy } from './hanging-proxy.ts'
import { cell, startWorld, type World } from './harness.ts'
import { untilMet } from './locks.ts'
import type { WorldReplica } from './replicated-postgres.ts'
import { undisturbed } from './stalls.ts'
import { codeOf, makePlayers, moveCall, sentOf } from './wallet-calls.ts'

let world: World
let replica: WorldReplica
/** One whom the replica has known from the beginning. */
let known: PlayerId

beforeAll(async () => {
  world = await startWorld({ replica: true })
  if (!world.replica) throw new Error('a world without the replica that it was to have')
  replica = world.replica
  known = await makePlayer()
  await untilReplicaAnswers()
})
afterAll(() => world?.stop())

const reader = {
  kind: 'player',
  playerId: newId('player', cell, Date.now()),
  sessionId: newId('session', cell, Date.now()),
  epoch: 0,
} as const

const makePlayer = async (): Promise<PlayerId> => {
  const [playerId] = await makePlayers(world, 1)
  if (!playerId) throw new Error('no player was made')
  return playerId
}

const callOf = (playerId: PlayerId, floor?: string): CoreCall => ({
  method: 'GET',
  path: `/v1/players/${playerId}`,
  principal: reader,
  headers: floor === undefined ? {} : { [edgeHeaders.floor]: floor },
})

/** A cached read as an edge asks for it, and what became of it. */
const ask = async (playerId: PlayerId, floor?: string | number) => {
  const startedAt = performance.now()
  const response = await world.askCore(callOf(playerId, floor === undefined ? undefined : String(floor)))
  return seen(response, world.logLines, performance.now() - startedAt)
}

const seen = async (response: Response, logLines: readonly string[], ms: number) => {
  const { headers, status } = response
  const id = headers.get('x-request-id') ?? ''
  const line = logLines.findLast((text) => text.includes(id) && text.includes('"message":"request"'))
  return {
    status,
    name: JSON.parse(await response.text()).displayName,
    version: Number(headers.get(edgeHeaders.version) ?? Number.NaN),
    readAt: Number(headers.get(edgeHeaders.readAt) ?? Number.NaN),
    source: JSON.parse(line ?? '{}').source,
    ms,
  }
}

const untilReplicaAnswers = async () => {
  await eventually(async () => (await ask(known)).source === 'replica', 8_000)
}

/** Until the test has ended the replica shows nothing new. */
const pause = async () => {
  await replica.pause()
  onTestFinished(async () => {
    await replica.resume()
    await untilReplicaAnswers()
  })
}

/** One after the other: side by side they would measure the machine. */
const threeOf = async <Answer>(askOnce: () => Promise<Answer>): Promise<Answer[]> => [
  await askOnce(),
  await askOnce(),
  await askOnce(),
]

const slowest = (answers: readonly { ms: number }[]) => Math.round(Math.max(...answers.map(({ ms }) => ms)))

/** Changes a name on the primary. Answers the version that the row has then. */
const rename = async (playerId: PlayerId, name: string): Promise<number> => {
  const [row] = await world.sql`
    update players set display_name = ${name}, version = version + 1 where player_id = ${playerId} returning version`
  return Number(row?.version)
}

test('a cached read is answered by the replica, as of a moment that lies back by no more than two beats', async () => {
  const before = world.clock()
  const answer = await ask(known)
  expect(answer).toMatchObject({ status: 200, name: 'Ada', source: 'replica' })
  expect(answer.readAt).toBeLessThanOrEqual(world.clock())
  expect(answer.readAt).toBeGreaterThan(before - 3_000)
})

test('a floor that the replica has not reached is answered by the primary, with the version that the floor asks for', async () => {
  const older = (await ask(known)).version
  await pause()
  const newer = await rename(known, 'Grace')
  expect(await ask(known)).toMatchObject({ name: 'Ada', version: older, source: 'replica' })
  expect(await ask(known, older)).toMatchObject({ version: older, source: 'replica' })
  expect(await ask(known, newer)).toMatchObject({ name: 'Grace', version: newer, source: 'primary' })
})

test('a player whom the replica has not heard of is found at the primary, and only the primary says that there is none', async () => {
  await pause()
  const created = await makePlayer()
  expect(await ask(created)).toMatchObject({ status: 200, source: 'primary' })
  const before = world.clock()
  const nobody = await ask(newId('player', cell, before))
  expect(nobody).toMatchObject({ status: 404, version: 0, source: 'primary' })
  expect(nobody.readAt).toBeGreaterThanOrEqual(before)
})

test('an answer of the replica is never dated after a change that it does not show', async () => {
  await replica.lag(1_500)
  onTestFinished(() => replica.lag(0))
  let names = 0
  const { changedAt, withoutIt } = await untilMet(async () => {
    await untilReplicaAnswers()
    const name = `Late ${names++}`
    await rename(known, name)
    const changedAt = world.clock()
    const withoutIt: { readAt: number; source: string }[] = []
    await eventually(async () => {
      const answer = await ask(known)
      if (answer.name !== name) withoutIt.push(answer)
      return answer.name === name && answer.source === 'replica'
    }, 8_000)
    // On a busy machine nobody may have asked before the replica had it.
    return withoutIt.length > 0 ? { changedAt, withoutIt } : undefined
  })
  for (const answer of withoutIt) {
    expect(answer.source).toBe('replica')
    expect(answer.readAt).toBeLessThanOrEqual(changedAt)
  }
})

test.each(['primary', 'Primary', '-1', '1.5', ''])('the floor %j means the primary', async (floor) => {
  const before = world.clock()
  const answer = await ask(known, floor)
  expect(answer).toMatchObject({ status: 200, source: 'primary' })
  expect(answer.readAt).toBeGreaterThanOrEqual(before)
})

test('a write right after a change decides by what the primary has', async () => {
  await pause()
  const playerId = await makePlayer()
  const move = async (amount: number) =>
    sentOf(await world.askCore(moveCall(world, { playerId, changes: [{ currency: 'coins', amount }] })))
  expect((await move(10)).status).toBe(200)
  expect((await move(-10)).status).toBe(200)
  expect(codeOf(await move(-1))).toBe('insufficient_funds')
})

test('a replica that is more than ten seconds behind answers nothing', async () => {
  await pause()
  world.clock.advance(11_000)
  const before = world.clock()
  const answer = await ask(known)
  expect(answer).toMatchObject({ status: 200, source: 'primary' })
  expect(answer.readAt).toBeGreaterThanOrEqual(before)
})

test('a replica that hangs costs those who wait for it a quarter of a second and the others nothing, and is used again', async () => {
  const target = new URL(replica.url)
  const proxy = await startHangingProxy(Number(target.port))
  target.port = String(proxy.port)
  const core = await startCoreProcess(world, { DATABASE_REPLICA_URL: target.href })
  const askIt = async () => {
    const startedAt = performance.now()
    const response = await core.ask(callOf(known))
    const ms = performance.now() - startedAt
    return seen(response, (await readFile(core.logFile, 'utf8')).split('\n'), ms)
  }
  const replicaAnswers = async () => (await askIt()).source === 'replica'
  await eventually(replicaAnswers, 5_000)

  proxy.hang()
  const during = await Promise.all(Array.from({ length: 10 }, askIt))
  const after = await undisturbed(100, () => threeOf(askIt))
  console.log(
    `a replica that hangs: at first ${slowest(during)} ms at the most, then ${slowest(after)} ms (limit 250 ms)`,
  )
  for (const answer of [...during, ...after]) expect(answer).toMatchObject({ status: 200, source: 'primary' })
  expect(slowest(during), 'what an edge waits for a read').toBeLessThan(2_000)
  expect(slowest(after)).toBeLessThan(250)
  expect((await fetch(`${core.url}/health/ready`)).status).toBe(200)

  proxy.resume()
  await eventually(replicaAnswers, 8_000)
  await core.stop()
  await proxy.close()
})

test('a replica is asked only after its beat was seen, and after a failure not for a second', async () => {
  const database = openDatabase({ url: replica.url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'test' })
  onTestFinished(() => database.close(1_000))
  const log = createLog({ service: 'test' }, () => {})
  let now = world.clock()
  const held = createReplica({ database, log, clock: () => now })
  let asked = 0
  const read = (answer: () => Promise<string>) =>
    held.read({ now: new Date(now), deadlineAt: now + 1_000 }, () => {
      asked++
      return answer()
    })
  const well = async () => 'well'
  expect(await read(well)).toBeUndefined()
  await held.runOnce()
  expect((await read(well))?.answer).toBe('well')
  expect(await read(async () => Promise.reject(new Error('broken')))).toBeUndefined()
  now += 999
  await held.runOnce()
  expect(await read(well)).toBeUndefined()
  expect(asked).toBe(2)
  now += 1
  expect(await read(well), 'before its beat is seen again').toBeUndefined()
  await held.runOnce()
  expect((await read(well))?.answer).toBe('well')
})

test('a replica that is gone costs no answer and no time, and the core stays ready', async () => {
  const version = await rename(known, 'Newest')
  await replica.stop()
  const answers = await undisturbed(100, () => threeOf(() => ask(known)))
  for (const answer of answers) expect(answer).toMatchObject({ status: 200, version, source: 'primary' })
  expect(slowest(answers)).toBeLessThan(250)
  expect((await world.platform.app.request('/health/ready')).status).toBe(200)
})
