import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { liveEventsDocumentSchema } from '#contract/evaluate/live-events-document.ts'
import { evaluateAt } from './evaluating.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { publishDocument } from './published.ts'

const minuteMs = 60_000

let world: World
let player: SignedIn
let begunAt: number
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  player = await world.signIn()
  begunAt = Date.now()
  await publishDocument(world, 'flags', {
    attributes: { level: { type: 'number' } },
    audiences: {
      veterans: { if: { attribute: 'level', atLeast: 10 } },
      players: { if: { attribute: 'player.id', exists: true } },
    },
    flags: { greeting: { type: 'string', variants: { plain: 'Hello' }, default: 'plain' } },
  })
  await publishDocument(world, 'live-events', liveEventsDocumentSchema.parse({ events: events() }))
})
afterAll(() => world?.stop())

const timeOf = (minutes: number) => new Date(begunAt + minutes * minuteMs).toISOString()
const from = (start: number, end: number) => ({ start: timeOf(start), end: timeOf(end) })

const events = () => ({
  'now-on': {
    title: 'On now',
    schedule: from(-10, 10),
    claimGraceMinutes: 30,
    requiresJoin: true,
    rewards: [{ currency: 'coins', amount: 5 }],
    flags: { greeting: 'Welcome' },
    leaderboard: 'fastest',
    metadata: { colour: 'gold' },
  },
  'in-grace': { title: 'Just ended', schedule: from(-60, -5), claimGraceMinutes: 30 },
  'long-over': { title: 'Over', schedule: from(-60, -40), claimGraceMinutes: 30 },
  announced: { title: 'Comes next', schedule: from(60, 90), announceMinutes: 120 },
  'a-secret': { title: 'Not announced', schedule: from(60, 90), announceMinutes: 30 },
  'switched-off': { title: 'Off', schedule: from(-10, 10), enabled: false },
  'for-veterans': { title: 'For veterans', schedule: from(-9, 10), audience: 'veterans' },
  'for-players': { title: 'For players', schedule: from(-8, 10), audience: 'players' },
})

const list = async (context?: unknown, client = world.client()) =>
  (await client.listLiveEvents({ query: context === undefined ? {} : { context: JSON.stringify(context) } })).body
const keysOf = ({ runs }: Awaited<ReturnType<typeof list>>) => runs.map(({ eventKey }) => eventKey)

test('the calendar has what is on, what is announced and what can be claimed, by start, and what each is at this moment', async () => {
  const { runs, serverTime } = await list()
  expect(runs.map(({ eventKey, state }) => [eventKey, state])).toEqual([
    ['in-grace', 'ended'],
    ['now-on', 'active'],
    ['announced', 'upcoming'],
  ])
  expect(Math.abs(Date.parse(serverTime) - Date.now())).toBeLessThan(5_000)
  expect(runs[1]).toEqual({
    runId: 'now-on.1',
    eventKey: 'now-on',
    title: 'On now',
    state: 'active',
    startsAt: timeOf(-10),
    endsAt: timeOf(10),
    claimUntil: timeOf(40),
    requiresJoin: true,
    rewards: [{ currency: 'coins', amount: 5 }],
    flags: { greeting: 'Welcome' },
    leaderboard: 'fastest',
    metadata: { colour: 'gold' },
  })
})

test('an event for an audience is shown to whom it is for', async () => {
  expect(keysOf(await list({ level: 12 }))).toContain('for-veterans')
  for (const context of [undefined, {}, { level: 9 }, { level: '12' }])
    expect(keysOf(await list(context))).not.toContain('for-veterans')
})

test('a player is known by their session, and nobody is one by saying so', async () => {
  // The client sends its key as well: the session goes before it.
  expect(keysOf(await list(undefined, player.client))).toContain('for-players')
  const claimed = { 'player.id': player.playerId, player: { id: player.playerId } }
  expect(keysOf(await list(claimed))).not.toContain('for-players')
})

test('while an event is on, its flags are what it says', async () => {
  expect(await evaluateAt(world, world.edgeUrl)).toMatchObject({ status: 200, value: 'Welcome' })
})

test('an answer is of its moment and is kept by nobody', async () => {
  const { headers } = await world.client().listLiveEvents({ query: {} })
  expect([headers.get('cache-control'), headers.get('etag')]).toEqual(['no-store', null])
})

test.each([
  '',
  '{',
  'null',
  '[]',
  '1',
  '"text"',
  '{"targetingKey":1}',
  '{"targetingKey":""}',
  `"${'x'.repeat(2_047)}"`,
])('the context %s is refused and pointed at', async (context) => {
  const refusal = await world
    .client()
    .listLiveEvents({ query: { context } })
    .catch((error: CallError) => error)
  expect(refusal).toBeInstanceOf(CallError)
  const { problem } = refusal as CallError
  expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
  expect(problem?.errors?.[0]).toMatchObject({ in: 'query', pointer: expect.stringMatching(/^\/context/) })
})
