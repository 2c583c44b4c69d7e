import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Fault } from '#contract/problem.ts'
import { createBreaker, Skipped } from '#edge/breaker.ts'
import { createGuard } from '#edge/guard.ts'
import { isUnanswered, Lost } from '#edge/retry.ts'
import { createRetryBudget } from '#edge/retry-budget.ts'
import { createRoom, NoRoom } from '#edge/room.ts'
import { createThrottle } from '#edge/throttle.ts'
import { createRandom } from './guarantee.ts'

/** What stands before a cell in an isolate, with a held clock and held choices. */

const startAt = 1_000_000
const now = () => Date.now()
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

beforeEach(() => {
  vi.useFakeTimers({ now: startAt })
})
afterEach(() => {
  vi.useRealTimers()
})

const times = (count: number) => Array.from({ length: count }, (_, at) => at)

test('of calls that all fail a tenth is tried again, beside ten that others have saved up', () => {
  const budget = createRetryBudget()
  let retries = 0
  for (const _ of times(10_000)) {
    budget.earn()
    if (budget.spend()) retries++
  }
  expect(retries).toBeGreaterThanOrEqual(1_000)
  expect(retries).toBeLessThanOrEqual(1_000 + 10)
})

test('a lone call that fails is tried again, and no more than ten are saved up for', () => {
  const budget = createRetryBudget()
  expect(budget.spend()).toBe(true)
  for (const _ of times(5_000)) budget.earn()
  expect(times(20).filter(() => budget.spend())).toHaveLength(10)
})

/** Offers calls at an even pace to a cell that takes `capacity` of them a second. Answers with the last second's figures. */
const overload = (
  throttle: ReturnType<typeof createThrottle>,
  of: { offered: number; capacity: number; seconds: number },
) => {
  let figures = { sent: 0, accepted: 0 }
  for (const _ of times(of.seconds)) {
    figures = { sent: 0, accepted: 0 }
    for (const _ of times(of.offered)) {
      vi.setSystemTime(now() + 1_000 / of.offered)
      if (!throttle.admits('read')) continue
      figures.sent++
      const isAccepted = figures.accepted < of.capacity
      if (isAccepted) figures.accepted++
      throttle.note('read', isAccepted)
    }
  }
  return figures
}

test('a cell that accepts everything is sent everything, and so is one of which a few calls were refused', () => {
  const throttle = createThrottle(now, () => 0)
  expect(overload(throttle, { offered: 100, capacity: 100, seconds: 20 })).toEqual({ sent: 100, accepted: 100 })
  const quiet = createThrottle(now, () => 0)
  for (const _ of times(20)) {
    expect(quiet.admits('read')).toBe(true)
    quiet.note('read', false)
  }
  vi.setSystemTime(now() + 60_000)
  for (const _ of times(100)) {
    vi.setSystemTime(now() + 1_000)
    expect(quiet.admits('read')).toBe(true)
    quiet.note('read', false)
  }
})

test('a cell that accepts a part is sent twice that, and everything within ten seconds of taking all again', () => {
  const throttle = createThrottle(now, createRandom(7))
  const { sent, accepted } = overload(throttle, { offered: 300, capacity: 50, seconds: 30 })
  expect(accepted).toBe(50)
  expect(sent).toBeGreaterThan(75)
  expect(sent).toBeLessThan(150)
  expect(overload(throttle, { offered: 300, capacity: 300, seconds: 15 }).sent).toBe(300)
})

test('a cell that accepts nothing is sent a tenth, by which it is noticed soon that it is back', () => {
  const throttle = createThrottle(now, createRandom(7))
  const { sent } = overload(throttle, { offered: 300, capacity: 0, seconds: 15 })
  expect(sent).toBeGreaterThan(10)
  expect(sent).toBeLessThan(60)
  expect(overload(throttle, { offered: 300, capacity: 300, seconds: 25 }).sent).toBe(300)
})

test('that reads are refused keeps no sign-in from being sent', () => {
  const throttle = createThrottle(now, () => 0)
  for (const _ of times(500)) throttle.note('read', false)
  expect(throttle.admits('read')).toBe(false)
  for (const _ of times(500)) {
    expect(throttle.admits('sign-in')).toBe(true)
    throttle.note('sign-in', true)
  }
})

test('calls that are still under way have not been refused', () => {
  const throttle = createThrottle(now, () => 0)
  expect(times(500).filter(() => throttle.admits('read'))).toHaveLength(500)
})

test('what was counted before the clock was set back is forgotten, and keeps nothing from being sent', () => {
  for (const backMs of [10_000, 3_600_000]) {
    const throttle = createThrottle(now, () => 0)
    for (const _ of times(500)) throttle.note('read', false)
    vi.setSystemTime(now() - backMs)
    expect(throttle.admits('read')).toBe(true)
  }
})

test('a clock that is a little behind forgets nothing', () => {
  const throttle = createThrottle(now, () => 0)
  for (const _ of times(500)) throttle.note('read', false)
  vi.setSystemTime(now() - 1)
  expect(throttle.admits('read')).toBe(false)
})

/** Work that ends when it is told to. */
const createWorks = (room: ReturnType<typeof createRoom>) => {
  const begun: { name: string; end: () => void }[] = []
  const ended: string[] = []
  const run = (name: string, options: { isUrgent?: boolean; forMs?: number } = {}) => {
    const { isUrgent = false, forMs = 5_000 } = options
    const work = () => new Promise<void>((resolve) => begun.push({ name, end: resolve }))
    return room.run({ isUrgent, endsAt: now() + forMs }, work).then(
      () => void ended.push(name),
      (error: unknown) => void ended.push(error instanceof NoRoom ? `${name}: no room` : `${name}: ${error}`),
    )
  }
  const names = () => begun.map(({ name }) => name)
  return { begun, ended, run, names }
}

test('224 calls are under way and 256 wait; another one is refused at once, an urgent one is not', async () => {
  const { begun, ended, run } = createWorks(createRoom(now))
  for (const at of times(224 + 256)) void run(`${at}`)
  await pass(0)
  expect([begun.length, ended.length]).toEqual([224, 0])
  void run('one more')
  await pass(0)
  expect(ended).toEqual(['one more: no room'])
  for (const at of times(32)) void run(`urgent ${at}`, { isUrgent: true })
  await pass(0)
  expect(begun).toHaveLength(256)
  expect(ended).toHaveLength(1)
})

test('a place that gets free goes to what is urgent, then to who waits longest; who waits 200 ms is refused', async () => {
  const { begun, ended, run, names } = createWorks(createRoom(now))
  for (const at of times(224)) void run(`${at}`)
  for (const at of times(32)) void run(`urgent ${at}`, { isUrgent: true })
  for (const name of ['a', 'b']) void run(name)
  void run('urgent late', { isUrgent: true })
  await pass(150)
  for (const at of times(34)) begun[at]?.end()
  await pass(0)
  // The first makes room for what is urgent; 32 are the places that only such work has.
  expect(names().slice(256)).toEqual(['urgent late', 'a'])
  await pass(50)
  expect(ended.slice(34)).toEqual(['b: no room'])
  begun[40]?.end()
  await pass(0)
  expect(names()).toHaveLength(258)
})

test('the places of calls that were never heard of again are free a second after their time', async () => {
  const { begun, run, names } = createWorks(createRoom(now))
  for (const at of times(224)) void run(`${at}`, { forMs: 2_000 })
  await pass(2_900)
  void run('early')
  await pass(0)
  expect(names()).not.toContain('early')
  await pass(150)
  for (const at of times(224)) void run(`again ${at}`)
  await pass(0)
  expect(begun).toHaveLength(448)
  expect(names()).toContain('early')
})

test('work that fails leaves its place', async () => {
  const room = createRoom(now)
  const options = { isUrgent: false, endsAt: now() + 5_000 }
  for (const _ of times(500))
    await expect(room.run(options, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await room.run(options, async () => 'there')).toBe('there')
})

test('failures of what began before a success open no breaker, and late ones put off no try', async () => {
  const breaker = createBreaker(now)
  const gates = times(10).map(() => Promise.withResolvers<never>())
  const runs = gates.map(({ promise }) => breaker.run(() => promise).catch((error: unknown) => error))
  await breaker.run(async () => 'there')
  for (const { reject } of gates) reject(new Error('lost'))
  await Promise.all(runs)
  expect(breaker.isOpen()).toBe(false)

  const late = Promise.withResolvers<never>()
  const lateRun = breaker.run(() => late.promise).catch((error: unknown) => error)
  const fail = () => breaker.run(() => Promise.reject(new Error('gone')))
  for (const _ of times(5)) await expect(fail()).rejects.toThrow('gone')
  expect([breaker.isOpen(), breaker.isSkipping()]).toEqual([true, true])
  await pass(900)
  late.reject(new Error('lost'))
  await lateRun
  await pass(100)
  expect([breaker.isOpen(), breaker.isSkipping()]).toEqual([true, false])
  const tries = await Promise.all(times(50).map(() => fail().catch((error: unknown) => error)))
  expect(tries.filter((error) => !(error instanceof Skipped))).toHaveLength(1)
})

test('a clock that is set back by an hour lets a breaker skip no longer than a second', async () => {
  const breaker = createBreaker(now)
  const fail = () => breaker.run(() => Promise.reject(new Error('gone')))
  for (const _ of times(5)) await expect(fail()).rejects.toThrow('gone')
  vi.setSystemTime(now() - 3_600_000)
  expect([breaker.isOpen(), breaker.isSkipping()]).toEqual([true, false])
  await expect(fail()).rejects.toThrow('gone')
  expect(breaker.isSkipping()).toBe(true)
  await pass(1_000)
  expect(breaker.isSkipping()).toBe(false)
})

/** How a call ends: answered, with no answer of the cell but one of a balancer, cut off; or while this test lasts not at all. */
type Told = 'done' | 'overloaded' | 'refused' | 'lost' | 'cut off' | 'under way'

const send = async (told: Told): Promise<Told> => {
  if (told === 'refused') throw new Fault('unavailable')
  if (told === 'lost') throw new Lost(new Error('a balancer answered'))
  if (told === 'cut off') throw new TypeError('fetch failed')
  return told === 'under way' ? new Promise(() => {}) : told
}

const nameOf = (error: unknown): string => {
  if (error instanceof Skipped) return 'skipped'
  if (error instanceof Lost) return 'lost'
  if (error instanceof Fault) return error.code === 'overloaded' ? 'kept back' : 'refused'
  return error instanceof TypeError ? 'cut off' : String(error)
}

const createScene = () => {
  const counted: Record<string, number> = {}
  const count = (what: string) => () => {
    counted[what] = (counted[what] ?? 0) + 1
  }
  const guard = createGuard<Told>({
    cell: 'eu1',
    counts: { throttled: count('throttled'), withoutRoom: count('without room'), skipped: count('skipped') },
    clock: now,
    random: () => 0,
    isOverloaded: (answer) => answer === 'overloaded',
    isUnanswered,
  })
  let sent = 0
  const call = async (told: Told, loadClass?: 'read' | 'sign-in', forMs = 2_000) => {
    const counting = () => {
      sent++
      return send(told)
    }
    return guard.run({ loadClass, deadlineAt: now() + forMs }, counting).catch(nameOf)
  }
  return { counted, guard, call, sent: () => sent }
}

test('what the edge asks for all of its callers is sent however much the cell refuses', async () => {
  const { call, counted } = createScene()
  for (const _ of times(100)) await call('overloaded', 'read')
  expect(counted.throttled).toBeGreaterThan(50)
  for (const _ of times(100)) expect(await call('overloaded')).toBe('overloaded')
})

test('a cell that answers with failures goes on to be asked, and one that does not answer is not', async () => {
  for (const told of ['lost', 'cut off'] as const) {
    const { call, guard, counted } = createScene()
    for (const _ of times(20)) expect(await call('refused', 'read')).toBe('refused')
    expect(guard.isSkipping()).toBe(false)
    for (const _ of times(5)) expect(await call(told, 'read')).toBe(told)
    expect(guard.isSkipping()).toBe(true)
    for (const _ of times(5)) expect(await call('done', 'read')).toBe('skipped')
    expect(counted).toEqual({ skipped: 5 })
  }
})

test('calls for which an isolate has no room do not make a slow cell count as gone', async () => {
  const { call, guard, counted, sent } = createScene()
  for (const _ of times(224)) void call('under way', 'read')
  const waiting = times(256).map(() => call('done', 'read'))
  for (const _ of times(10)) expect(await call('done', 'read')).toBe('kept back')
  await pass(200)
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['kept back']))
  expect([sent(), counted]).toEqual([224, { 'without room': 266 }])
  expect(guard.isSkipping()).toBe(false)
  expect(await call('done', 'sign-in')).toBe('done')
})

test('who leaves a cell no time to answer does not make it count as gone', async () => {
  const { call, guard } = createScene()
  for (const _ of times(100)) expect(await call('lost', 'read', 900)).toBe('lost')
  expect(guard.isSkipping()).toBe(false)
  expect(await call('done', 'read')).toBe('done')
})

test('a cell that comes back is asked by the next try, and sent everything from then on', async () => {
  const { call, sent } = createScene()
  // As many as were under way when it went.
  await Promise.all(times(200).map(() => call('lost', 'read')))
  expect(sent()).toBe(200)
  await pass(1_000)
  expect(await call('done', 'read')).toBe('done')
  for (const _ of times(100)) expect(await call('done', 'read')).toBe('done')
})
