import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { tokenOf } from '#test/consistency-tokens.ts'
import { eventually } from '#test/eventually.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { type LaggingWorld, lagMaxMs, startLaggingWorld } from '#test/lagging-world.ts'
import { type Caller, type ProfileRead, readProfile, rename, signInCallers } from '#test/profile-calls.ts'

/** A pair: a write, and a read of what it wrote with what its answer gave to be echoed. */
const pairs = sized({ short: 400, long: 50_000 })
/** Groups that are at work at once: as many callers as two cores carry without making anybody wait for long. */
const groupsAtOnce = 6
/** A token holds so many tags; of more it becomes a time. */
const tagsMax = 8
const groupSize = 12
/** A group is replaced after this, long before its access tokens expire. */
const roundsOfGroup = 30
/** The most that others may be behind: a copy's life, the lag of what invalidates it, and a relay on a busy machine. */
const boundMs = getProfile.delivery.freshMs + lagMaxMs + 2_000
const testMaxMs = sized({ short: 60_000, long: 3_600_000 })

const random = createRandom()
const below = (count: number) => Math.floor(random() * count)
let lagging: LaggingWorld

beforeAll(async () => {
  lagging = await startLaggingWorld({ random })
})
afterAll(() => lagging?.stop())

/** Isolates in a random order. */
const drawIsolates = (): [string, string, string] => {
  const [first, second, third] = lagging.urls
    .map((url) => ({ url, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ url }) => url)
  return first && second && third ? [first, second, third] : expect.fail('there are four isolates')
}

type Row = { readonly version: number; readonly displayName: string }

const readRows = async (players: readonly Caller[]): Promise<ReadonlyMap<PlayerId, Row>> => {
  const ids = players.map(({ playerId }) => playerId)
  const rows = await lagging.world.sql`
    select player_id, version, display_name from players where player_id = any(${ids})`
  return new Map(rows.map((row) => [row.player_id, { version: Number(row.version), displayName: row.display_name }]))
}

/** What the pairs of a run came to. */
const counts = {
  pairs: 0,
  stale: 0,
  failed: 0,
  byTime: 0,
  severalTokens: 0,
  staleWithoutToken: new Map<string, number>(),
  lateMaxMs: 0,
}

/** When each version of a player was written, the latest last: how late an answer is that shows an older one. */
type Written = { readonly version: number; readonly sentAt: number }

const createGroup = async (): Promise<{ readonly players: Caller[]; readonly written: Map<PlayerId, Written[]> }> => {
  const players = await signInCallers(lagging.world, drawIsolates()[0], groupSize)
  return { players, written: new Map(players.map(({ playerId }) => [playerId, []])) }
}
type Group = Awaited<ReturnType<typeof createGroup>>

/** Some of a group change their names at once, one of them perhaps several times at once. */
type Change = { readonly writers: readonly Caller[]; readonly times: number }

const drawChange = ({ players }: Group): Change => {
  const start = below(groupSize)
  const some = (count: number) => [...players, ...players].slice(start, start + count)
  const kind = below(4)
  if (kind === 0) return { writers: some(1), times: 1 }
  if (kind === 1) return { writers: some(1), times: 2 + below(3) }
  return { writers: some(kind === 2 ? 2 + below(tagsMax - 1) : tagsMax + 1 + below(groupSize - tagsMax)), times: 1 }
}

/** Writes, each on an isolate of its own; answers what the first of the writers echoes from then on. */
const write = async ({ writers, times }: Change): Promise<readonly string[]> => {
  const all = writers.flatMap((caller) => Array.from({ length: times }, () => caller))
  const named = (at: number) => `of ${Date.now()} ${at}`
  const renamed = await Promise.all(
    all.map((caller, at) => rename(drawIsolates()[0], { caller, displayName: named(at) })),
  )
  const [reader] = writers
  if (!reader || writers.length === 1) return renamed.map(({ token }) => token)
  const rows = await readRows(writers)
  const moved = [...rows].map(([playerId, { version }]) => ({ tag: `player:${playerId}`, version }))
  if (moved.length > tagsMax) counts.byTime += moved.length
  const tokens = moved.map((one) => tokenOf(lagging.world, reader, [one]))
  // Either all of them, or the one that the edge makes of them for a write that came with them.
  if (random() < 0.5) return tokens
  const merged = { caller: reader, displayName: named(all.length), tokens: tokens.join(', ') }
  return [(await rename(drawIsolates()[0], merged)).token]
}

const playRound = async (group: Group): Promise<void> => {
  const change = drawChange(group)
  const { writers } = change
  const [warmOn, readOn, otherOn] = drawIsolates()
  const [reader = expect.fail('nobody was to write')] = writers
  const readAll = (url: string, caller: Caller, tokens?: string) =>
    Promise.all(
      writers.map(async ({ playerId }) => ({ playerId, ...(await readProfile(url, { caller, playerId, tokens })) })),
    )
  await readAll(random() < 0.5 ? readOn : warmOn, reader)
  const sentAt = Date.now()
  const tokens = await write(change)
  if (tokens.length > 1) counts.severalTokens += writers.length
  const [own, others] = await Promise.all([readAll(readOn, reader, tokens.join(', ')), readAll(otherOn, reader)])
  const rows = await readRows(writers)
  for (const [playerId, { version }] of rows) group.written.get(playerId)?.push({ version, sentAt })
  for (const read of own) judge(read, rows.get(read.playerId))
  for (const read of others) judgeOther(read, group.written.get(read.playerId) ?? [])
}

const judge = ({ status, version, displayName }: ProfileRead, row: Row | undefined) => {
  counts.pairs++
  if (status !== 200) counts.failed++
  else if (!row || version < row.version || displayName !== row.displayName) counts.stale++
}

const judgeOther = ({ status, version, tier, answeredAt }: ProfileRead, written: readonly Written[]) => {
  if (status !== 200) return void counts.failed++
  const newer = written.find((one) => one.version > version)
  if (!newer) return
  counts.staleWithoutToken.set(tier, (counts.staleWithoutToken.get(tier) ?? 0) + 1)
  counts.lateMaxMs = Math.max(counts.lateMaxMs, answeredAt - newer.sentAt)
}

const playGroups = async (): Promise<void> => {
  while (counts.pairs < pairs) {
    const group = await createGroup()
    for (let round = 0; round < roundsOfGroup && counts.pairs < pairs; round++) await playRound(group)
  }
}

test('who echoes the token of a write sees it on whatever isolate, however far the replicas are behind', {
  timeout: testMaxMs,
}, async () => {
  const startedAt = performance.now()
  await lagging.whileLagging(() => Promise.all(Array.from({ length: groupsAtOnce }, playGroups)))
  const stale = counts.staleWithoutToken
  const staleOthers = [...stale.values()].reduce((sum, count) => sum + count, 0)
  tell('read-your-writes', {
    pairs: counts.pairs,
    'of tokens that became a time': counts.byTime,
    'of several tokens': counts.severalTokens,
    stale: counts.stale,
    failed: counts.failed,
    'stale without a token': [...stale].map(([tier, count]) => `${count} ${tier}`).join(' + '),
    'of those the latest, ms': counts.lateMaxMs,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  })
  expect(counts.stale).toBe(0)
  expect(counts.failed).toBe(0)
  expect(counts.byTime).toBeGreaterThan(0)
  expect(counts.severalTokens).toBeGreaterThan(0)
  expect(staleOthers, 'the replicas are behind').toBeGreaterThan(0)
  expect(counts.lateMaxMs, 'how late others are').toBeLessThanOrEqual(boundMs)
})

/** A token of the reader's own for what another has written, in every way in which it could be spoilt. */
const spoil = (token: string): string[] => {
  const [keyId = '', payload = '', mac = ''] = token.split('.')
  const flip = (text: string, at: number) => {
    const other = text[at] === '1' ? '2' : '1'
    return text.slice(0, at) + other + text.slice(at + 1)
  }
  const raised = btoa(atob(payload).replace(/"version":(\d+)/, '"version":9$1'))
  const body = btoa('{"since":9000000000000000,"moved":[]}')
  return [
    `${keyId}.${raised}.${mac}`,
    `${keyId}.${body}.${mac}`,
    `${keyId}.${flip(payload, 9)}.${mac}`,
    `${keyId}.${payload}.${flip(mac, 0)}`,
    `${keyId}.${payload}.${flip(mac, mac.length - 1)}`,
    `${flip(keyId, 0)}.${payload}.${mac}`,
    `${keyId}.${payload}`,
    `${keyId}..${mac}`,
    token.slice(0, -1),
    token.toUpperCase(),
    'perigee',
    '..',
    ',,,',
  ]
}

test('a token that was altered, and one of another player, asks for nothing and harms nothing', async () => {
  const { world, urls } = lagging
  const { replica, upstash } = world
  const [near = '', , far = '', beyond = ''] = urls
  const [reader, writer] = await signInCallers(world, near, 2)
  if (!reader || !writer || !replica) throw new Error('two were to sign in before a replica')
  const read = (tokens?: string, url = near) => readProfile(url, { caller: reader, playerId: writer.playerId, tokens })
  /** What was read just before is fresh in memory; unless its life has ended between the two. */
  const readHeld = async (tokens: string) => {
    for (let attempt = 1; ; attempt++) {
      await read()
      const answer = await read(tokens)
      if (answer.tier === 'memory' || attempt === 5) return answer
    }
  }
  const catchUp = async () => {
    upstash.faults.lagMs = 0
    await upstash.catchUp()
    await replica.resume()
  }
  await replica.pause()
  upstash.faults.lagMs = Number.POSITIVE_INFINITY
  onTestFinished(catchUp)

  const before = await read()
  await read(undefined, beyond)
  const { token: theirs } = await rename(far, { caller: writer, displayName: 'Grace' })
  const row = (await readRows([writer])).get(writer.playerId) ?? expect.fail('the writer is there')
  const own = tokenOf(world, reader, [{ tag: `player:${writer.playerId}`, version: row.version }])
  const bad = [theirs, ...spoil(own)]
  for (const tokens of bad) {
    const answer = await readHeld(tokens)
    expect(answer, tokens).toMatchObject({ status: 200, tier: 'memory', version: before.version })
  }
  // On an isolate that none of the others asks, for they would see what this brings.
  expect(await read(`${theirs}, ${own}`, beyond), 'the one good token of two').toMatchObject({ tier: 'core', ...row })

  await catchUp()
  const seenMs = await eventually(async () => {
    const answers = await Promise.all(bad.map((tokens) => read(tokens)))
    return answers.every(({ version }) => version === row.version)
  }, getProfile.delivery.freshMs + 1_000)
  tell('read-your-writes, bad tokens', { tokens: bad.length, errors: 0, 'seen after ms': Math.round(seenMs) })
})
