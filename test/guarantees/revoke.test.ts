import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import type { PlayerId, SessionId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { fill } from '#contract/route.ts'
import { endOwnSession, logOut } from '#contract/sessions.ts'
import { accessLifeMs } from '#core/revocation.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { startCoreProxy } from '#test/core-proxy.ts'
import { eventually } from '#test/eventually.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { quantileOf } from '#test/quantile.ts'
import { startSessions } from '#test/sessions.ts'
import { makePlayers } from '#test/wallet-calls.ts'

const ends = sized({ short: 40, long: 1_000 })
/** Players who play at once, each on every isolate. */
const playersAtOnce = 20
const isolatesEach = 2
/** Of each reader and each writer: often enough to see when the last one passes. */
const everyMs = 200
/** One in so many reads is answered by the core, the others by whichever tier has the profile. */
const directShare = 0.2
/** How long it must be refused to count as over. */
const overMs = 1_000
const edgeMaxMs = 10_000
const coreMaxMs = 1_000
/** Answers that may come too late. */
const lateShareMax = 0.01
/** Players whose sessions nobody ends, who play all along. */
const othersCount = 4
/** Older than this a request waits for the newer document. */
const documentLifeMs = 5_000
/** A session goes on for up to this before it is ended: at no time of a document's life in particular. */
const playMaxMs = documentLifeMs
const slackMs = 300
/** Beyond its time a token is taken for this long: clocks differ. */
const toleranceMs = 5_000
const testMaxMs = sized({ short: 90_000, long: 1_800_000 })

let world: World
/** Two data centres. */
let near: DataCentre
let far: DataCentre
let urls: readonly string[]
const random = createRandom()

beforeAll(async () => {
  world = await startWorld()
  near = await startIsolates(world, { isolates: isolatesEach })
  far = await startIsolates(world, { isolates: isolatesEach })
  urls = [...near.urls, ...far.urls]
})
afterAll(async () => {
  await Promise.all([near?.stop(), far?.stop()])
  await world?.stop()
})

const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] ?? expect.fail('there are some')

type Device = { readonly playerId: PlayerId; readonly sessionId: SessionId; readonly token: string }

const claimsSchema = z.object({ sid: z.custom<SessionId>((value) => typeof value === 'string') })
const sessionIdOf = (token: string): SessionId =>
  claimsSchema.parse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).sid

/** A new player with so many sessions, as if they had begun `inMs` from now. */
const createDevices = async (count: number, inMs = 0): Promise<Device[]> => {
  const [playerId = expect.fail('one was made')] = await makePlayers(world, 1)
  const tokens = await startSessions(world, { players: Array.from({ length: count }, () => playerId), inMs })
  return tokens.map((token) => ({ playerId, sessionId: sessionIdOf(token), token }))
}
const createDevice = async (inMs = 0) => (await createDevices(1, inMs))[0] ?? expect.fail('one was made')

/** Milliseconds as `performance.now()` counts. */
type Seen = { readonly askedAt: number; readonly answeredAt: number; readonly status: number; readonly code: string }

const problemSchema = z.looseObject({ code: z.string().default('') })

const ask = async (
  url: string,
  { token }: Device,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body?: unknown },
): Promise<Seen> => {
  const askedAt = performance.now()
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const { code } = problemSchema.parse(await response.json())
  return { askedAt, answeredAt: performance.now(), status: response.status, code }
}

const own = '/v1/players/me'
const read = (url: string, device: Device) => {
  const profile = fill(getProfile.path, { playerId: device.playerId })
  return ask(url, device, { method: 'GET', path: random() < directShare ? own : profile })
}
const write = (url: string, device: Device) =>
  ask(url, device, { method: 'PATCH', path: own, body: { displayName: 'Ada' } })
const leave = (url: string, device: Device, everywhere: boolean) =>
  ask(url, device, { method: 'POST', path: logOut.path, body: { everywhere } })
const end = (url: string, device: Device, { sessionId }: Device) =>
  ask(url, device, { method: 'DELETE', path: fill(endOwnSession.path, { sessionId }) })

/** Asks at an even pace for as long as `isOver` is not so. */
const repeat = async (call: () => Promise<Seen>, isOver: (seen: readonly Seen[]) => boolean): Promise<Seen[]> => {
  const seen: Seen[] = []
  await pause(random() * everyMs)
  while (!isOver(seen)) {
    const { askedAt } = seen[seen.push(await call()) - 1] ?? expect.fail('it was seen')
    await pause(Math.max(0, askedAt + everyMs - performance.now()))
  }
  return seen
}

const isServed = ({ status }: Seen) => status === 200
const isEnded = ({ status, code }: Seen) => status === 401 && code === 'token_invalid'
/** A core of two busy processors may be too late for an answer, which says nothing of the session. */
const isLate = ({ status }: Seen) => status === 503
/** Every other answer is one or the other, and none is served that comes after a refusal. */
const expectOneEnd = (seen: readonly Seen[]) => {
  expect(seen.filter((one) => !isServed(one) && !isEnded(one) && !isLate(one))).toEqual([])
  expect(seen.slice(seen.findIndex(isEnded)).filter(isServed)).toEqual([])
}

const ways = ['logout', 'logout everywhere', 'end of another session'] as const

/** Ends a session that plays, in a random way. */
const endIn = (way: (typeof ways)[number], played: Device, other: Device): Promise<Seen> => {
  const url = pick(urls)
  if (way === 'logout') return leave(url, played, false)
  return way === 'logout everywhere' ? leave(url, other, true) : end(url, other, played)
}

test(
  'a session that was ended under load writes nothing from the answer on, and within ten seconds no isolate lets it read',
  async () => {
    const readMs = urls.map((): number[] => [])
    const writeMs: number[] = []
    const count = { reads: 0, writes: 0, late: 0, 'writes asked after the answer and accepted': 0 }
    const byWay = Object.fromEntries(ways.map((way) => [way, 0]))

    const play = async () => {
      const [played = expect.fail('there are two'), other = expect.fail('there are two')] = await createDevices(2)
      let endedAt = Number.POSITIVE_INFINITY
      const isOver = (seen: readonly Seen[]) => {
        const refusedAt = seen.find((one) => one.status === 401)?.answeredAt ?? Number.POSITIVE_INFINITY
        const now = performance.now()
        return now > refusedAt + overMs || now > endedAt + 2 * edgeMaxMs
      }
      const readers = urls.map((url) => repeat(() => read(url, played), isOver))
      const writer = repeat(() => write(pick(urls), played), isOver)
      await pause(random() * playMaxMs)
      const way = pick(ways)
      const answer = await endIn(way, played, other)
      expect([way, answer.status]).toEqual([way, 200])
      endedAt = answer.answeredAt
      byWay[way] = (byWay[way] ?? 0) + 1

      for (const [isolate, seen] of (await Promise.all(readers)).entries()) {
        expectOneEnd(seen)
        readMs[isolate]?.push(Math.max(0, (seen.findLast(isServed)?.answeredAt ?? 0) - endedAt))
        count.reads += seen.length
        count.late += seen.filter(isLate).length
      }
      const written = await writer
      expectOneEnd(written)
      writeMs.push(Math.max(0, (written.findLast(isServed)?.answeredAt ?? 0) - endedAt))
      count.writes += written.length
      count.late += written.filter(isLate).length
      count['writes asked after the answer and accepted'] += written.filter(
        (one) => isServed(one) && one.askedAt > endedAt,
      ).length
      const left = await Promise.all(urls.map((url) => read(url, other)))
      for (const one of left.filter((seen) => !isLate(seen)))
        expect(one).toMatchObject({ status: way === 'logout everywhere' ? 401 : 200 })
    }

    let playing = true
    const others = await Promise.all(Array.from({ length: othersCount }, () => createDevice(testMaxMs / 4)))
    const playOn = others.flatMap((device) => [
      ...urls.map((url) =>
        repeat(
          () => read(url, device),
          () => !playing,
        ),
      ),
      repeat(
        () => write(pick(urls), device),
        () => !playing,
      ),
    ])
    const queue = Array.from({ length: ends }).values()
    const worker = async () => {
      for (const _ of queue) await play()
    }
    await Promise.all(Array.from({ length: playersAtOnce }, worker))
    playing = false
    const bystanding = (await Promise.all(playOn)).flat()

    const all = readMs.flat()
    const rounded = (figures: readonly number[], share: number) => Math.round(quantileOf(figures, share))
    tell('revoke, under load', {
      ends,
      ...byWay,
      isolates: urls.length,
      ...count,
      'last read p50 ms': rounded(all, 0.5),
      'last read p99 ms': rounded(all, 0.99),
      'last read p99.9 ms': rounded(all, 0.999),
      'last read at most ms': rounded(all, 1),
      'at most on each isolate ms': readMs.map((figures) => rounded(figures, 1)).join('/'),
      'last write at most ms': rounded(writeMs, 1),
      'answers of others': bystanding.length,
      'of them refused': bystanding.filter((one) => !isServed(one) && !isLate(one)).length,
    })
    expect(all).toHaveLength(ends * urls.length)
    expect(quantileOf(all, 1)).toBeLessThanOrEqual(edgeMaxMs)
    expect(quantileOf(writeMs, 1)).toBeLessThanOrEqual(coreMaxMs)
    expect(count['writes asked after the answer and accepted']).toBe(0)
    expect(bystanding.filter((one) => !isServed(one) && !isLate(one))).toEqual([])
    expect(count.late / (count.reads + count.writes)).toBeLessThanOrEqual(lateShareMax)
  },
  testMaxMs,
)

test.concurrent('an isolate that was idle for longer than that does not go by what it knew before', async () => {
  const core = await startCoreProxy(world.coreUrl)
  const centre = await startIsolates(world, { isolates: 1, coreUrl: core.url })
  const [url = ''] = centre.urls
  const [ended = expect.fail('there are two'), other = expect.fail('there are two')] = await createDevices(2)
  expect((await read(url, ended)).status).toBe(200)
  expect((await end(world.edgeUrl, other, ended)).status).toBe(200)
  await pause(documentLifeMs + slackMs)
  // So slow that an answer from what was known would be there first.
  core.delayMs = 200
  const first = await Promise.all(Array.from({ length: 10 }, () => read(url, ended)))
  for (const seen of first) expect(seen).toMatchObject({ status: 401, code: 'token_invalid' })
  expect((await read(url, other)).status).toBe(200)
  await centre.stop()
  await core.stop()
})

test.concurrent('with the core gone an isolate goes by what it knew: reads go on until the token expires, and nothing is written', async () => {
  const core = await startCoreProxy(world.coreUrl)
  const centre = await startIsolates(world, { isolates: 2, coreUrl: core.url })
  const [url = '', later = ''] = centre.urls
  const [before = expect.fail('there are two'), ended = expect.fail('there are two')] = await createDevices(2)
  expect((await end(world.edgeUrl, before, ended)).status).toBe(200)
  const [lost = expect.fail('there are two'), kept = expect.fail('there are two')] = await createDevices(2)
  const leftMs = documentLifeMs + 2_000
  const short = await createDevice(leftMs - accessLifeMs)
  const expiresAt = performance.now() + leftMs + toleranceMs
  const profile = { method: 'GET', path: fill(getProfile.path, { playerId: lost.playerId }) }
  for (const device of [lost, kept, short]) expect((await ask(url, device, profile)).status).toBe(200)
  expect((await ask(url, ended, profile)).status).toBe(401)

  await core.be('refusing')
  expect((await end(world.edgeUrl, kept, lost)).status).toBe(200)
  await pause(documentLifeMs + slackMs)
  // Another isolate of the data centre begins with what the first one has left there, unless it comes too late to its first request.
  await eventually(async () => (await ask(later, ended, profile)).status === 401, 5_000)
  for (const isolate of [url, later]) {
    expect(await ask(isolate, ended, profile)).toMatchObject({ status: 401, code: 'token_invalid' })
    for (const device of [lost, kept]) {
      expect((await ask(isolate, device, profile)).status).toBe(200)
      expect((await write(isolate, device)).status).toBe(503)
    }
  }
  expect((await ask(url, short, profile)).status).toBe(200)
  await pause(expiresAt + slackMs - performance.now())
  for (const isolate of [url, later])
    expect(await ask(isolate, short, profile)).toMatchObject({ status: 401, code: 'token_expired' })
  expect((await ask(url, lost, profile)).status).toBe(200)

  await core.be('passing')
  const backAt = performance.now()
  for (const isolate of [url, later])
    while ((await ask(isolate, lost, profile)).status !== 401) {
      expect(performance.now() - backAt, 'ms since the core is back').toBeLessThan(edgeMaxMs)
      await pause(everyMs)
    }
  tell('revoke, core gone', { 'refused after it is back, ms': Math.round(performance.now() - backAt) })
  expect((await ask(url, kept, profile)).status).toBe(200)
  expect((await write(url, kept)).status).toBe(200)
  await centre.stop()
  await core.stop()
})
