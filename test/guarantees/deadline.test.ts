import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { edgeHeaders } from '#contract/edge-request.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import type { CoreCall } from '#test/core-call.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { type CoreProxy, startCoreProxy } from '#test/core-proxy.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { type PostgresBehindProxy, startPostgresBehindProxy } from '#test/postgres-behind-proxy.ts'
import { startSessions } from '#test/sessions.ts'
import { type Stalls, watchStalls } from '#test/stalls.ts'
import { type LoggedStatement, readStatements, statementLogSettings } from '#test/statement-log.ts'
import { makePlayers, moveCall } from '#test/wallet-calls.ts'

/** How much longer something takes on its way. */
const lateMs = 2_000
const pastMax = 100
const stallMs = 50
const requests = sized({ short: 120, long: 3_000 })
const askEveryMs = 20
/** What a profile takes to read here, and a claim to insert: longer than many callers wait, shorter than others do. */
const readMs = 600
const claimMs = 120
/** Of few wallets, so that commands wait in line until their callers have gone. */
const hotWallets = 3
const applicationName = 'perigee-core-'

let server: PostgresBehindProxy
let world: World
let core: CoreProcess
let between: CoreProxy
let centre: DataCentre
let players: PlayerId[]
let token: string
/** The way to Postgres goes through this process. */
let stalls: Stalls
const random = createRandom()

beforeAll(async () => {
  stalls = watchStalls(stallMs)
  // A commit that waits for the disk is cancelled by nothing.
  server = await startPostgresBehindProxy([...statementLogSettings, 'synchronous_commit=off'])
  world = await startWorld({ databaseUrl: server.url })
  await world.platform.stop()
  players = await makePlayers(world, 4 * requests)
  ;[token = ''] = await startSessions(world, { players: players.splice(0, 1), inMs: 0 })
  core = await startCoreProcess(world, { DATABASE_URL: server.proxiedUrl, DATABASE_POOL: '16' })
  between = await startCoreProxy(core.url)
  between.delayMs = lateMs
  centre = await startIsolates(world, { isolates: 1, coreUrl: between.url })
  await world.sql.unsafe(`
    alter table players rename to all_players;
    create view players as select p.* from all_players p, (select pg_sleep(${readMs / 1_000})) slowly;
    create function slowly() returns trigger language plpgsql as
      $$ begin perform pg_sleep(${claimMs / 1_000}); return new; end $$;
    create trigger slowly before insert on idempotency_claims for each row execute function slowly()`)
}, 120_000)
afterAll(async () => {
  await centre?.stop()
  await between?.stop()
  await core?.stop()
  await world?.stop()
  await server?.stop()
  stalls?.stop()
})

/** What stands in the parameters of a request's statements and of no other's, and when its caller stops to wait. */
const deadlines = new Map<string, number>()

/** A caller that is sent `onTheWayMs` before it arrives, and waits for `leftMs` after that. */
const ask = async (call: CoreCall, mark: string, { leftMs = 0, onTheWayMs = 0 }): Promise<number> => {
  const signedAt = world.clock() - onTheWayMs
  const stated = leftMs + onTheWayMs
  deadlines.set(mark, signedAt + stated)
  const headers = { ...call.headers, [edgeHeaders.deadline]: String(stated) }
  const response = await core.ask({ ...call, headers, signedAt })
  await response.arrayBuffer()
  return response.status
}

const nextPlayer = (): PlayerId => players.pop() ?? expect.fail('there are enough')

const readCall = (playerId: PlayerId): CoreCall => ({
  method: 'GET',
  path: `/v1/players/${playerId}`,
  principal: { kind: 'player', playerId, sessionId: newId('session', cell, Date.now()), epoch: 0 },
})

/** A write in a transaction of its own, whose last statements are the slow ones. */
const draftCall = (key: string): CoreCall => ({
  method: 'PUT',
  path: '/v1/admin/content/flags/draft',
  principal: { kind: 'operator' },
  headers: { authorization: `Bearer ${world.keys.operator}`, 'idempotency-key': key, 'if-match': '*' },
  body: JSON.stringify({ document: {} }),
})

/** Asks at an even pace for something by chance, with a deadline by chance. Answers with how often each status came. */
const askAll = async (kinds: readonly ('read' | 'draft' | 'grant')[], onTheWay: () => number) => {
  const statuses: Promise<number>[] = []
  const hot = Array.from({ length: hotWallets }, nextPlayer)
  for (let at = 0; at < requests; at++) {
    const left = { leftMs: Math.round(30 + random() * 1_800), onTheWayMs: onTheWay() }
    const kind = kinds[Math.floor(random() * kinds.length)]
    const playerId = kind === 'grant' ? (hot[at % hotWallets] ?? nextPlayer()) : nextPlayer()
    const key = randomUUID()
    if (kind === 'read') statuses.push(ask(readCall(playerId), playerId, left))
    else if (kind === 'draft') statuses.push(ask(draftCall(key), key, left))
    else statuses.push(ask(moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount: 1 }] }), key, left))
    await pause(askEveryMs)
  }
  const counts = Map.groupBy(await Promise.all(statuses), (status) => status)
  return Object.fromEntries([...counts].map(([status, all]) => [status, all.length]))
}

/** A set's parameters are arrays, with an element for each command. */
const isSet = ({ parameters }: LoggedStatement) => parameters.startsWith("Parameters: $1 = '{")
const isOutside = ({ text }: LoggedStatement) => text.startsWith('begin') || text.startsWith('rollback')

/**
 * The statements since a moment whose caller is known, each with its deadline; a set has many. What stands in no parameter of
 * a transaction's later statements is known from its first. What this process stood still for is left out.
 */
const knownSince = async (since: number) => {
  const logged = await readStatements(server.logFile, applicationName)
  const known: (LoggedStatement & { readonly deadlineAt: number })[] = []
  const ofTransaction = new Map<string, number>()
  for (const statement of logged.filter(({ beganAt }) => beganAt >= since)) {
    const { pid, parameters } = statement
    if (isOutside(statement)) ofTransaction.set(pid, Number.NaN)
    const marks = parameters.match(/ply_\w+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? []
    const found = marks.flatMap((mark) => deadlines.get(mark) ?? [])
    if (found[0] !== undefined && ofTransaction.has(pid) && !isSet(statement)) ofTransaction.set(pid, found[0])
    for (const deadlineAt of found.length > 0 ? found : [ofTransaction.get(pid) ?? Number.NaN])
      if (!Number.isNaN(deadlineAt)) known.push({ ...statement, deadlineAt })
  }
  const told = known.filter(({ beganAt, endedAt }) => !stalls.meet(beganAt - pastMax, endedAt))
  return { singles: told.filter((one) => !isSet(one)), members: told.filter(isSet) }
}

/** For how long a statement has run after its deadline, ms; below zero for what ended before. */
const pastOf = ({ beganAt, endedAt, deadlineAt }: LoggedStatement & { readonly deadlineAt: number }) =>
  Math.min(endedAt - deadlineAt, endedAt - beganAt)

const mostPast = (singles: readonly (LoggedStatement & { readonly deadlineAt: number })[]) =>
  Math.round(Math.max(...singles.map(pastOf)))

test('whatever is slow, and two seconds late on its way, no statement runs on for a caller who has gone', {
  timeout: requests * 200 + 60_000,
}, async () => {
  const since = Date.now()
  const statuses = await askAll(['read', 'draft', 'grant'], () => (random() < 0.5 ? lateMs : 0))
  const { singles, members } = await knownSince(since)
  const expired = members.filter(({ beganAt, deadlineAt }) => beganAt > deadlineAt + pastMax)
  const cut = singles.filter(({ endedAt, deadlineAt }) => endedAt >= deadlineAt - pastMax)
  tell('deadline, at the core', {
    requests,
    ...Object.fromEntries(Object.entries(statuses).map(([status, count]) => [`of them ${status}`, count])),
    statements: singles.length,
    'that ended at their deadline': cut.length,
    'longest past it, ms': mostPast(singles),
    'commands in sets': members.length,
    'expired ones among them': expired.length,
  })
  expect(mostPast(singles)).toBeLessThanOrEqual(pastMax)
  expect(singles.filter(({ beganAt, deadlineAt }) => beganAt > deadlineAt + pastMax)).toEqual([])
  expect(expired).toEqual([])
  // It has been tried: some ran into their deadlines, some did not, and grants went in sets.
  expect(cut.length).toBeGreaterThan(requests / 20)
  expect(statuses[200]).toBeGreaterThan(requests / 20)
  expect(members.length).toBeGreaterThan(requests / 20)
})

test('what an edge sent two seconds before it arrives is not begun anew with the time that it had then', async () => {
  const since = Date.now()
  const read = async () => {
    const playerId = nextPlayer()
    // An edge waits two seconds for a read.
    deadlines.set(playerId, Date.now() + lateMs + pastMax)
    const path = `/v1/players/${playerId}`
    const response = await fetch(centre.urls[0] + path, { headers: { authorization: `Bearer ${token}` } })
    await response.arrayBuffer()
    expect(between.requestsOf(path)).toBeGreaterThan(0)
    return response.status
  }
  // What is in time is begun, and seen.
  between.delayMs = 0
  expect(await read()).toBe(200)
  between.delayMs = lateMs
  const reads = Array.from({ length: sized({ short: 10, long: 100 }) }, read)
  expect(new Set(await Promise.all(reads))).toEqual(new Set([503]))
  await pause(readMs)
  const { singles } = await knownSince(since)
  tell('deadline, through an edge', { reads: reads.length, statements: singles.length })
  expect(singles.length).toBeGreaterThan(0)
  expect(singles.filter((one) => pastOf(one) > pastMax)).toEqual([])
})

test('what reaches Postgres two seconds late is not carried on with', async () => {
  const since = Date.now()
  const asked = askAll(['read', 'draft'], () => 0)
  const rounds = sized({ short: 1, long: 10 })
  for (let round = 0; round < rounds; round++) {
    await pause((requests * askEveryMs) / rounds / 3)
    server.proxy.hang()
    await pause(lateMs)
    server.proxy.resume()
  }
  const statuses = await asked
  await pause(lateMs)
  const { singles } = await knownSince(since)
  tell('deadline, on the way to Postgres', {
    requests,
    ...Object.fromEntries(Object.entries(statuses).map(([status, count]) => [`of them ${status}`, count])),
    statements: singles.length,
    'longest past it, ms': mostPast(singles),
  })
  expect(singles.length).toBeGreaterThan(requests / 20)
  expect(mostPast(singles)).toBeLessThanOrEqual(pastMax)
})
