import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { auditLedger, noTotals } from '#core/audit-ledger.ts'
import { type CoreProcess, startCoreProcess } from '#test/core-process.ts'
import { eventually } from '#test/eventually.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { pubsubEmulatorHost } from '#test/pubsub-emulator.ts'
import { codeOf, makePlayers, moveCall, sentOf } from '#test/wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  // Nothing may depend on a process that nobody kills: only those that are killed publish and consume.
  await world.platform.stop()
})
afterAll(() => world?.stop())

const kills = sized({ short: 4, long: 50 })
/** 200 calls a second, all of a burst at once: writes then go in sets, and a kill meets some that are under way. */
const burstEveryMs = 100
const burstSize = 20
/** A burst is served within this, so a kill in it is one in the middle. */
const burstTakesMs = 30
/** The share of calls that send an earlier key again, though it may have its answer. */
const sentAgainShare = 0.2
const walletCount = 200
/** These take half of the calls, so that they always have a line, in both processes. */
const hotWallets = 3
/** Once in ten calls; a wallet that is seldom granted has less and refuses it, a hot one does not for long. */
const spend = -2_000
/** Keys that are sent once more at the end; five seconds of the load's rate, or a minute and a half. */
const sentAtTheEnd = sized({ short: 1_000, long: 20_000 })
/** A process takes a second or two to start; a call without an answer after this never gets one. */
const answerMaxMs = 60_000
/** The lease of a relay that was killed, 15 s, the longest pause after a failure, 5 s, and as much again. */
const publishedMaxMs = 40_000

/** Of four processes that run all the time, one: who has its place now, and whether it was killed and not yet replaced. */
type Place = { readonly role: string; process: CoreProcess; killed: boolean }

const emulatorHost = await pubsubEmulatorHost()
const roles = emulatorHost ? ['api', 'api', 'worker', 'worker'] : ['all', 'all', 'all', 'all']

const start = (role: string): Promise<CoreProcess> => {
  const bus = emulatorHost
    ? { EVENT_BUS: 'pubsub', PUBSUB_EMULATOR_HOST: emulatorHost, PUBSUB_PROJECT: 'perigee-test' }
    : { EVENT_BUS: 'direct' }
  return startCoreProcess(world, { ROLE: role, DATABASE_POOL: '8', PUBSUB_PREFIX: world.prefix, ...bus })
}

/** What was asked under one key, and every different answer that came for it, with its status. */
type Asked = {
  readonly key: string
  readonly playerId: PlayerId
  readonly amount: number
  readonly answers: Set<string>
}

const wasApplied = ({ answers }: Asked) => [...answers].every((answer) => answer.startsWith('200 '))

/** Callers that know nothing of the kills: they send to any core that lives, until they have an answer. */
const createCallers = (places: readonly Place[], random: () => number) => {
  const counts = { calls: 0, retries: 0, cut: 0 }

  const pick = () => {
    const live = places.filter(({ role, killed }) => role !== 'worker' && !killed)
    return live[Math.floor(random() * live.length)]?.process
  }

  /** Undefined for what says nothing of the call: an outage, or that the first call still runs. */
  const answerOf = async ({ key, playerId, amount }: Asked): Promise<string | undefined> => {
    const call = moveCall(world, { playerId, key, changes: [{ currency: 'coins', amount }] })
    const sent = await pick()
      ?.ask(call)
      .then(sentOf, () => void counts.cut++)
    if (!sent || sent.status >= 500 || (sent.status === 409 && codeOf(sent) === 'idempotency_in_flight'))
      return undefined
    return `${sent.status} ${sent.text}`
  }

  const untilAnswered = async (asked: Asked): Promise<void> => {
    counts.calls++
    const lastMs = performance.now() + answerMaxMs
    for (let answer = await answerOf(asked); ; answer = await answerOf(asked)) {
      if (answer !== undefined) return void asked.answers.add(answer)
      if (performance.now() > lastMs) throw new Error(`no answer under ${asked.key} within ${answerMaxMs} ms`)
      counts.retries++
      await pause(10 + random() * 90)
    }
  }
  return { counts, untilAnswered }
}

/** Bursts of calls until `killer` has done its work. Answers what was asked, once all of it has been answered. */
const load = async (options: {
  readonly players: readonly PlayerId[]
  readonly random: () => number
  readonly untilAnswered: (asked: Asked) => Promise<void>
  readonly killer: Promise<unknown>
}): Promise<readonly Asked[]> => {
  const { players, random, untilAnswered } = options
  const asked: Asked[] = []
  const calls: Promise<void>[] = []
  let isOver = false
  const killer = options.killer.finally(() => {
    isOver = true
  })

  /** An earlier key, the later the likelier: many of them are still under way. */
  const earlier = () => (random() < sentAgainShare ? asked[Math.floor(asked.length * (1 - random() ** 8))] : undefined)

  const another = (): Asked => {
    const playerId = players[Math.floor(random() * (random() < 0.5 ? hotWallets : walletCount))]
    if (!playerId) throw new Error(`${walletCount} players were asked for`)
    const amount = random() < 0.1 ? spend : 1 + Math.floor(random() * 50)
    const next = { key: randomUUID(), playerId, amount, answers: new Set<string>() }
    asked.push(next)
    return next
  }

  while (!isOver) {
    for (let call = 0; call < burstSize; call++) calls.push(untilAnswered(earlier() ?? another()))
    await pause(burstEveryMs - (performance.now() % burstEveryMs))
  }
  await Promise.all([killer, ...calls])
  return asked
}

/** Kills one of the four at a time, in the middle of a burst, and puts another in its place. */
const killAndReplace = async (places: readonly Place[], random: () => number): Promise<void> => {
  for (let kill = 0; kill < kills; kill++) {
    await pause(burstEveryMs * Math.ceil(random() * 5) - (performance.now() % burstEveryMs) + random() * burstTakesMs)
    const place = places[Math.floor(random() * places.length)]
    if (!place) throw new Error('there are four places')
    place.process.kill()
    place.killed = true
    await place.process.stop()
    place.process = await start(place.role)
    place.killed = false
  }
}

/** How ledger, balances and events differ from what callers were told. */
const compare = async (asked: readonly Asked[]) => {
  const applied = new Map(asked.filter(wasApplied).map((one) => [one.key, one]))
  const ledger = await world.sql<{ reference: string }[]>`select reference from wallet_transactions`
  const references = new Set(ledger.map(({ reference }) => reference))
  const told = Map.groupBy(applied.values(), ({ playerId }) => playerId)
  const wallets = await world.sql<{ player_id: PlayerId; coins: number }[]>`
    select player_id, coalesce((balances->>'coins')::int, 0) as coins from wallets`
  const [events] = await world.sql<{ unmatched: number }[]>`
    select count(*)::int as unmatched from wallet_transactions full join (
      select data->>'transactionId' as transaction_id, count(*) as events from outbox
      where type = 'perigee.wallet.changed.v1' group by 1) e using (transaction_id)
    where player_id is null or events is distinct from 1`
  let audited = noTotals
  const options = { after: undefined, player: undefined, batch: 50, pauseMs: 0, most: 10 }
  for await (const { totals } of auditLedger(world.database, { ...options, signal: AbortSignal.timeout(60_000) }))
    audited = totals
  return {
    lost: [...applied.keys()].filter((key) => !references.has(key)).length,
    double: ledger.length - [...applied.keys()].filter((key) => references.has(key)).length,
    drift: wallets.filter(({ player_id, coins }) => {
      const sum = (told.get(player_id) ?? []).reduce((total, { amount }) => total + amount, 0)
      return coins !== sum
    }).length,
    changedAnswers: asked.filter(({ answers }) => answers.size !== 1).length,
    unmatchedEvents: events?.unmatched,
    auditDifferences: audited.differences,
  }
}

const nothing = { lost: 0, double: 0, drift: 0, changedAnswers: 0, unmatchedEvents: 0, auditDifferences: 0 }

test('whoever is killed and whenever, what was acknowledged is in the ledger once, and every event leaves', {
  timeout: sized({ short: 120_000, long: 3_600_000 }),
}, async () => {
  const random = createRandom()
  const players = await makePlayers(world, walletCount)
  const places: Place[] = []
  try {
    const processes = await Promise.all(
      roles.map(async (role) => ({ role, process: await start(role), killed: false })),
    )
    places.push(...processes)
    const { counts, untilAnswered } = createCallers(places, random)
    const startedAt = performance.now()
    const killer = killAndReplace(places, createRandom())
    const asked = await load({ players, random, untilAnswered, killer })
    const seconds = Math.round((performance.now() - startedAt) / 1_000)

    // Once more, in any process: for ever the same bytes.
    const waiting = asked.filter(() => random() < sentAtTheEnd / asked.length)
    const askAgain = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await untilAnswered(next)
    }
    await Promise.all(Array.from({ length: burstSize }, askAgain))

    const unpublished = () => world.sql`select from outbox where published_at is null limit 1`
    const publishedAfterMs = await eventually(async () => (await unpublished()).length === 0, publishedMaxMs)
    const differences = await compare(asked)
    tell('kill-core', {
      kills,
      seconds,
      keys: asked.length,
      applied: asked.filter(wasApplied).length,
      ...counts,
      'published after ms': Math.round(publishedAfterMs),
      lost: differences.lost,
      double: differences.double,
      drift: differences.drift,
    })
    expect(differences).toEqual(nothing)
  } finally {
    await Promise.all(places.map(({ process }) => process.stop()))
  }
})
