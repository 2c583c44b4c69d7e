import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, type PlayerId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { type DataCentre, startDataCentre } from '#infra/local/data-centre.ts'
import { bundleEdge } from '#infra/local/edge-bundle.ts'
import { createUpstash } from '#infra/upstash.ts'
import { type CoreProxy, startCoreProxy } from '#test/core-proxy.ts'
import { askAlone, type BurstAnswer, type Crowd, gather, getRequest } from '#test/crowd.ts'
import { eventually } from '#test/eventually.ts'
import { fulfils } from '#test/fulfils.ts'
import { sized, tell } from '#test/guarantee.ts'
import { cell, type SignedIn, startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { untilMet } from '#test/locks.ts'
import { quantileOf } from '#test/quantile.ts'

const readers = sized({ short: 1_000, long: 5_000 })
/** Of a time, one says what happened and several say how it usually is. */
const rounds = sized({ short: 1, long: 7 })
const isolates = 10
const callers = 16
const { freshMs, staleMs } = getProfile.delivery
/** How much of its life an entry has left when it is read, so that it stands in every tier before it expires. */
const leftMs = 2_500
/** A timer is not late by more. */
const slackMs = 100
/** Less than an edge waits for Upstash, and more than it takes to hang up. */
const slowUpstashMs = 100
/** Until every follower has joined the flight of a leader. */
const slowCoreMs = 1_000
const factorMax = 2
const testMaxMs = sized({ short: 60_000, long: 240_000 })

let world: World
let core: CoreProxy
let centre: DataCentre
let bare: DataCentre
let people: SignedIn[]
let crowd: Crowd
let bareCrowd: Crowd
const stops: (() => unknown)[] = []

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-bare-'))
  stops.push(() => rm(folder, { recursive: true, force: true }))
  const project = fileURLToPath(new URL('../..', import.meta.url))
  const bundling = bundleEdge({ project, folder, entry: 'bench/workers/bare.ts' })
  world = await startWorld()
  stops.push(() => world.stop())
  core = await startCoreProxy(world.coreUrl)
  stops.push(() => core.stop())
  centre = await startIsolates(world, { isolates, coreUrl: core.url })
  stops.push(() => centre.stop())
  people = await Promise.all(Array.from({ length: callers }, () => world.signIn()))
  const answer = await warmUp()
  await bundling
  bare = await startDataCentre(
    { bundleFolder: folder, main: 'bare.js', isolates, vars: { ANSWER: JSON.stringify(answer) } },
    'ignore',
  )
  stops.push(() => bare.stop())
  crowd = await gather(centre.urls, readers)
  bareCrowd = await gather(bare.urls, readers)
  stops.push(
    () => crowd.close(),
    () => bareCrowd.close(),
  )
  await bareCrowd.ask(() => getRequest(pathOf(at(0).playerId), {}))
})
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
})

const at = (index: number): SignedIn => people[index % callers] ?? expect.fail('there are callers')
const pathOf = (playerId: PlayerId) => `/v1/players/${playerId}`
const headersOf = (caller: SignedIn) => ({ authorization: `Bearer ${caller.accessToken}` })
const get = async (url: string, playerId: PlayerId, caller = at(0)) => {
  const response = await fetch(url + pathOf(playerId), { headers: headersOf(caller) })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

/** Every isolate knows its keys and every caller's token. Answers with what a bare Worker is to repeat. */
const warmUp = async () => {
  const { playerId } = at(0)
  for (const url of centre.urls) await Promise.all(people.map((caller) => get(url, playerId, caller)))
  const { text, headers } = await get(centre.urls[0] ?? '', playerId)
  const repeated = [...headers].filter(([name]) => !['connection', 'content-length', 'keep-alive'].includes(name))
  return { body: text, headers: Object.fromEntries(repeated) }
}

/** Has every isolate read a player whom nobody has read before, so that every tier of each holds the entry. */
const readEverywhere = async (playerId: PlayerId) => {
  for (const url of centre.urls) expect((await get(url, playerId)).status).toBe(200)
}

/** Everyone asks at once. Answers with what that has cost and how long it took them. */
const burst = async (playerId: PlayerId) => {
  const path = pathOf(playerId)
  const before = { loads: core.requestsOf(path), lookUps: world.upstash.requests() }
  const answers = await crowd.ask((connection) => getRequest(path, headersOf(at(Math.floor(connection / isolates)))))
  return {
    answers,
    loads: core.requestsOf(path) - before.loads,
    lookUps: world.upstash.requests() - before.lookUps,
    p99Ms: p99Of(answers),
  }
}

/** Every different answer, once. */
const saidBy = (answers: readonly BurstAnswer[]) => [...new Set(answers.map(({ status, text }) => `${status} ${text}`))]

const timesOf = (answers: readonly BurstAnswer[]) => answers.map(({ ms }) => ms)
const p99Of = (answers: readonly BurstAnswer[]): number => quantileOf(timesOf(answers), 0.99)

/** `first`, and one more an isolate for each time that what was loaded, or looked up, grew old while the crowd was still served. */
const mostOf = (answers: readonly BurstAnswer[], first: number): number =>
  first + isolates * Math.floor(Math.max(...timesOf(answers)) / freshMs)

/** What the core answers, told by nobody but itself. */
const truthOf = async (playerId: PlayerId): Promise<string> => {
  const sessionId = newId('session', cell, Date.now())
  const principal = { kind: 'player', playerId, sessionId, epoch: 0 } as const
  return (await world.askCore({ method: 'GET', path: pathOf(playerId), principal })).text()
}

/** `prepare` brings the entry of a new player into a state, and everyone reads it; a bare Worker has the same crowd. */
const measure = async (name: string, prepare: (player: SignedIn) => Promise<unknown>) => {
  const own: Awaited<ReturnType<typeof burst>>[] = []
  const other: number[] = []
  for (let round = 0; round < rounds; round++) {
    const player = await world.signIn()
    await prepare(player)
    const path = pathOf(player.playerId)
    const readBare = async () => other.push(p99Of(await bareCrowd.ask(() => getRequest(path, headersOf(player)))))
    if (round % 2 === 0) await readBare()
    const seen = await burst(player.playerId)
    if (round % 2 !== 0) await readBare()
    const truth = await truthOf(player.playerId)
    expect(saidBy(seen.answers)).toEqual([`200 ${truth}`])
    expect(seen.loads, 'loads at the core').toBeLessThanOrEqual(mostOf(seen.answers, isolates))
    own.push(seen)
  }
  const p99s = own.map(({ p99Ms }) => p99Ms)
  const [ownMs, bareMs] = [quantileOf(p99s, 0.5), quantileOf(other, 0.5)]
  tell(`stampede, ${name}`, {
    readers,
    isolates,
    rounds,
    'loads at the core, at most': Math.max(...own.map(({ loads }) => loads)),
    'requests to Upstash, at most': Math.max(...own.map(({ lookUps }) => lookUps)),
    'slowest burst ms': Math.round(Math.max(...own.flatMap(({ answers }) => timesOf(answers)))),
    'p99 ms': Math.round(ownMs),
    'p99 of a bare Worker, ms': Math.round(bareMs),
    factor: (ownMs / bareMs).toFixed(2),
  })
  // One short burst beside other tests says nothing of a time.
  if (sized({ short: false, long: true })) expect(ownMs / bareMs).toBeLessThanOrEqual(factorMax)
  return own
}

test(
  'a crowd that meets an entry that has expired in every tier costs the core one load an isolate',
  async () => {
    const expire = async ({ playerId }: SignedIn) => {
      core.ageMs = staleMs - leftMs
      await readEverywhere(playerId)
      core.ageMs = 0
      await pause(leftMs + slackMs)
    }
    await measure('expired', expire)
  },
  testMaxMs,
)

test(
  'a crowd that meets an entry that nobody has costs the core one load an isolate',
  async () => {
    await measure('gone', async () => {})
  },
  testMaxMs,
)

test(
  'a crowd that meets an entry past its fresh life costs Upstash one look-up an isolate',
  async () => {
    const grow = async ({ playerId }: SignedIn) => {
      await readEverywhere(playerId)
      await pause(freshMs + slackMs)
    }
    // Here ten isolates take turns on one thread: the 150 ms that they give Upstash pass while they work through the crowd,
    // and who has given up asks the core, once, and fills.
    const own = await measure('past fresh', grow)
    for (const { answers, lookUps, loads } of own)
      expect(lookUps).toBeLessThanOrEqual(mostOf(answers, isolates) + loads)
  },
  testMaxMs,
)

test(
  'a crowd that meets a raised version costs the core one load an isolate, and is answered with the change',
  async () => {
    const store = createUpstash({ url: world.upstash.url, token: 'test-token', timeoutMs: 1_000 })
    const outdate = async ({ playerId, client }: SignedIn) => {
      await readEverywhere(playerId)
      await pause(freshMs + slackMs)
      await client.updateOwnProfile({ body: { displayName: 'Changed' } })
      const [row] = await world.sql`select version from players where player_id = ${playerId}`
      const tag = `player:${playerId}`
      await eventually(async () => Number((await store.lookUp('none', tag)).version) >= Number(row?.version), 10_000)
    }
    const own = await measure('outdated', outdate)
    for (const { answers } of own) expect(answers[0]?.text).toContain('"Changed"')
  },
  testMaxMs,
)

/** Has a reader of each isolate hang up before Upstash has answered it. The player of whom they asked; undefined where it came too late. */
const hangUpAtUpstash = async (): Promise<PlayerId | undefined> => {
  // Keys and revocations are young in every isolate: it asks for nothing but the player.
  await readEverywhere(at(1).playerId)
  const { playerId } = await world.signIn()
  const before = world.upstash.requests()
  world.upstash.faults.latencyMs = slowUpstashMs
  const askedAt = performance.now()
  const request = getRequest(pathOf(playerId), headersOf(at(0)))
  const leaders = await Promise.all(centre.urls.map((url) => askAlone(url, request)))
  const asked = await fulfils(eventually(async () => world.upstash.requests() - before >= isolates / 2, slowUpstashMs))
  for (const leader of leaders) leader.hangUp()
  if (asked && performance.now() - askedAt < slowUpstashMs) return playerId
  world.upstash.faults.latencyMs = 0
  return undefined
}

test('a reader who hangs up while Upstash is asked for them leaves nobody behind who asks after them', async () => {
  for (let round = 0; round < rounds; round++) {
    const playerId = await untilMet(hangUpAtUpstash)
    const { answers, loads } = await burst(playerId)
    world.upstash.faults.latencyMs = 0
    expect(saidBy(answers)).toEqual([`200 ${await truthOf(playerId)}`])
    expect(loads).toBeLessThanOrEqual(mostOf(answers, isolates))
  }
})

test(
  'a reader who asks first and hangs up leaves nobody behind who asks with him',
  async () => {
    for (let round = 0; round < rounds; round++) {
      const { playerId } = await world.signIn()
      const path = pathOf(playerId)
      core.delayMs = slowCoreMs
      const leaders = await Promise.all(centre.urls.map((url) => askAlone(url, getRequest(path, headersOf(at(0))))))
      await eventually(async () => core.requestsOf(path) === isolates, 10_000)
      const seen = burst(playerId)
      for (const leader of leaders) leader.hangUp()
      const { answers, loads, p99Ms } = await seen
      core.delayMs = 0
      const truth = await truthOf(playerId)
      expect(saidBy(answers)).toEqual([`200 ${truth}`])
      expect(loads, 'loads beside those of the leaders').toBeLessThanOrEqual(mostOf(answers, 0))
      tell('stampede, leaders hang up', {
        readers,
        leaders: isolates,
        answered: answers.length,
        'p99 ms': Math.round(p99Ms),
      })
    }
  },
  testMaxMs,
)
