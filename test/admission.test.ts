import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type LoadClass, loadClasses } from '#contract/load-class.ts'
import { Fault } from '#contract/problem.ts'
import { type Admission, createAdmission, type Leave } from '#core/admission.ts'
import { type ConcurrencyLimit, createConcurrencyLimit } from '#core/concurrency-limit.ts'
import { createRandom } from './guarantee.ts'
import { runServed, type Served } from './served-model.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const clock = () => performance.now()
const fixed = (limit: number): ConcurrencyLimit => ({
  current: () => limit,
  isLooking: () => false,
  note: () => {},
})
const admissionOf = (limit: ConcurrencyLimit, onRefused = (_: Readonly<Record<LoadClass, number>>) => {}) =>
  createAdmission({ limit, onRefused, clock, random: () => 0.5 })

/** Lets in as many of a class as there is room for. */
const fillUp = async (admission: Admission, loadClass: LoadClass): Promise<Leave[]> => {
  const leaves: Leave[] = []
  const before = admission.snapshot().waiting
  for (let waiting = before; waiting === before; ) {
    const entering = admission.enter(loadClass, loadClass).then(
      (leave) => void leaves.push(leave),
      () => {},
    )
    await Promise.race([entering, Promise.resolve().then(() => Promise.resolve())])
    waiting = admission.snapshot().waiting
  }
  return leaves
}

const faultOf = (entering: Promise<Leave>): Promise<unknown> =>
  entering.then(
    () => undefined,
    (error: unknown) => error,
  )

test('what can wait is refused first, then reads, then writes, and sign-in last', async () => {
  const most: Record<string, number> = {}
  for (const loadClass of loadClasses) most[loadClass] = (await fillUp(admissionOf(fixed(20)), loadClass)).length
  expect(most).toEqual({ batch: 10, read: 15, write: 18, 'sign-in': 20 })
})

test('whoever is more important finds room where the others have filled theirs', async () => {
  const admission = admissionOf(fixed(20))
  for (const loadClass of [...loadClasses].reverse()) await fillUp(admission, loadClass)
  expect(admission.snapshot().inFlight).toEqual({ batch: 10, read: 5, write: 3, 'sign-in': 2 })
})

test('writes that fill their room leave reads a part of it', async () => {
  const admission = admissionOf(fixed(20))
  const writes = await fillUp(admission, 'write')
  const reading = faultOf(admission.enter('read', 'read'))
  writes.pop()?.(true)
  // A write waits too, and goes first.
  await vi.advanceTimersByTimeAsync(0)
  writes.pop()?.(true)
  expect(await reading).toBeUndefined()
  expect(admission.snapshot().inFlight).toMatchObject({ read: 1 })
})

test('a burst waits for half a second, and the more important goes first', async () => {
  const admission = admissionOf(fixed(20))
  const leaves = await fillUp(admission, 'write')
  // Its last one waits before ours.
  await fillUp(admission, 'sign-in')
  leaves.pop()?.(true)
  const order: string[] = []
  for (const loadClass of ['read', 'sign-in'] as const)
    void admission
      .enter(loadClass, loadClass)
      .then(() => order.push(loadClass))
      .catch(() => order.push('refused'))
  await vi.advanceTimersByTimeAsync(450)
  leaves.pop()?.(true)
  await vi.advanceTimersByTimeAsync(0)
  expect(order).toEqual(['sign-in'])
  expect(admission.snapshot().refused).toMatchObject({ read: 0, 'sign-in': 0 })
  await vi.advanceTimersByTimeAsync(51)
  expect(order).toEqual(['sign-in', 'refused'])
})

test('in a crowd that stays nobody waits long for nothing', async () => {
  const admission = admissionOf(fixed(4))
  await fillUp(admission, 'read')
  await vi.advanceTimersByTimeAsync(501)
  const waitOf = async () => {
    const askedAt = clock()
    const waited = faultOf(admission.enter('read', 'read')).then(() => clock() - askedAt)
    await vi.advanceTimersByTimeAsync(600)
    return waited
  }
  expect(await waitOf()).toBeLessThanOrEqual(5)
  // Nobody has waited in vain for half a second: the next one may wait again.
  expect(await waitOf()).toBe(500)
})

test('nobody gives up at a moment at which somebody else makes room', async () => {
  const admission = admissionOf(fixed(4))
  const leaves = await fillUp(admission, 'sign-in')
  leaves.pop()?.(true)
  const entering = faultOf(admission.enter('sign-in', 'sign-in'))
  vi.advanceTimersByTime(501)
  leaves.pop()?.(true)
  expect(await entering).toBeUndefined()
})

test('while it is looked at what is normal whoever signs in waits on, and nobody else does', async () => {
  let isLooking = true
  const admission = admissionOf({ current: () => 4, isLooking: () => isLooking, note: () => {} })
  await fillUp(admission, 'sign-in')
  const signingIn = faultOf(admission.enter('sign-in', 'sign-in'))
  const writing = faultOf(admission.enter('write', 'write'))
  await vi.advanceTimersByTimeAsync(900)
  expect(await writing).toBeInstanceOf(Fault)
  expect(admission.snapshot().refused).toMatchObject({ 'sign-in': 0, write: 1 })
  isLooking = false
  await vi.advanceTimersByTimeAsync(300)
  expect(await signingIn).toBeInstanceOf(Fault)
})

test('a refusal says when to come back, not the same to all; refusals are told by number, once a second', async () => {
  const told: unknown[] = []
  const admission = admissionOf(fixed(4), (refused) => told.push(refused))
  await fillUp(admission, 'write')
  const faults = Array.from({ length: 1_500 }, () => faultOf(admission.enter('write', 'write')))
  expect(admission.snapshot().waiting).toBe(500)
  await vi.advanceTimersByTimeAsync(501)
  const [first] = await Promise.all(faults)
  expect(first).toBeInstanceOf(Fault)
  expect(first).toMatchObject({ code: 'overloaded', retryAfterMs: 2_500 })
  expect(told).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1_000)
  await Promise.all([faultOf(admission.enter('write', 'write')), vi.advanceTimersByTimeAsync(501)])
  expect(told).toHaveLength(2)
  expect(told[1]).toMatchObject({ write: 1_501 })
  expect(admission.snapshot().refused.write).toBe(1_502)
})

for (const [flood, others] of [
  ['sign-in', ['write', 'read']],
  ['write', ['sign-in', 'read']],
  ['read', ['sign-in', 'write']],
] as const)
  test(`a flood of ${flood}s stops neither ${others.join('s nor ')}s`, async () => {
    const served = { servers: 16, serviceMs: 10 }
    const capacity = (served.servers * 1_000) / served.serviceMs
    const rates = { 'sign-in': 0, write: 0, read: 0, batch: 0, [flood]: 3 * capacity }
    for (const other of others) rates[other] = 0.08 * capacity
    const random = createRandom(5)
    const limit = createConcurrencyLimit({ initial: 16, min: 16, max: 16, clock })
    const admission = createAdmission({ limit, onRefused: () => {}, clock, random })
    const outcome = await runServed(admission, served, { rates, seconds: 10, random, settleMs: 1_000 })
    for (const other of others) expect(outcome[other].served / outcome[other].offered, other).toBeGreaterThan(0.95)
  })

test('a limit of one lets every class in', async () => {
  for (const loadClass of ['sign-in', 'write', 'read'] as const)
    expect(await fillUp(admissionOf(fixed(1)), loadClass)).toHaveLength(1)
})

const gradientOf = (options: { initial: number; min: number }) =>
  createConcurrencyLimit({ ...options, max: 1_000, clock })

/** One sign-in in ten, two writes, the rest reads, but for a few batches. */
const mixOf = ({ servers, serviceMs }: Served, times: number) => {
  const rate = (times * servers * 1_000) / serviceMs
  return { 'sign-in': 0.1 * rate, write: 0.2 * rate, read: 0.65 * rate, batch: 0.05 * rate }
}

for (const served of [
  { servers: 4, serviceMs: 20, minutes: 4 },
  { servers: 32, serviceMs: 20, minutes: 1 },
])
  test(`three times what ${served.servers} servers of ${served.serviceMs} ms can do is as well met after ${served.minutes} minutes as at once`, {
    timeout: 120_000,
  }, async () => {
    const random = createRandom(7)
    const limit = gradientOf({ initial: 8, min: 4 })
    const admission = createAdmission({ limit, onRefused: () => {}, clock, random })
    const capacity = (served.servers * 1_000) / served.serviceMs
    const { minutes } = served
    const run = (times: number, seconds: number) =>
      runServed(admission, served, { rates: mixOf(served, times), seconds, random, settleMs: 2_000 })
    await run(0.5, 20)
    const atPeak = await run(1, 60)
    for (const part of [1, 2, 3]) {
      const { all, 'sign-in': signIn } = await run(3, minutes * 20)
      expect(all.served / (minutes * 20 - 2), `part ${part}`).toBeGreaterThan(0.95 * capacity)
      expect(signIn.served / signIn.offered, `part ${part}`).toBeGreaterThan(0.99)
      expect(all.p99Ms, `part ${part}`).toBeLessThan(2 * Math.max(atPeak.all.p99Ms, 3 * served.serviceMs))
    }
    const after = await run(0.5, 20)
    expect(after.all.served / after.all.offered).toBeGreaterThan(0.99)
  })

/** Answers, one after the other, with so many under way. */
const note = (limit: ConcurrencyLimit, kind: string, durationMs: number, inFlight: number) => {
  for (let answer = 0; answer < 50; answer++) {
    vi.advanceTimersByTime(10)
    limit.note({ kind, durationMs }, inFlight)
  }
}

test('more of what is dear is not taken for slowness', () => {
  const limit = gradientOf({ initial: 20, min: 4 })
  for (let round = 0; round < 20; round++) {
    note(limit, 'read', 2, 1)
    note(limit, 'password', 60, 1)
  }
  const before = limit.current()
  note(limit, 'password', 60, before)
  expect(limit.current()).toBeGreaterThan(before)
})

test('a kind that waits for something of its own makes no room scarce for the others', () => {
  const limit = gradientOf({ initial: 20, min: 4 })
  const mix = (passwordMs: number) => {
    for (let answer = 0; answer < 100; answer++) {
      vi.advanceTimersByTime(10)
      limit.note(
        { kind: answer % 4 === 0 ? 'password' : 'read', durationMs: answer % 4 === 0 ? passwordMs : 2 },
        limit.current(),
      )
    }
  }
  for (let round = 0; round < 10; round++) mix(60)
  const before = limit.current()
  for (let round = 0; round < 10; round++) mix(1_500)
  expect(limit.current()).toBeGreaterThanOrEqual(before)
})

test('a database that has become slower for good is what is normal, once no queue of ours can be the reason', async () => {
  const limit = gradientOf({ initial: 20, min: 4 })
  for (let round = 0; round < 20; round++) note(limit, 'read', 5, 1)
  const limits: number[] = []
  for (let round = 0; round < 200; round++) {
    note(limit, 'read', 50, limit.current())
    limits.push(limit.current())
  }
  expect(Math.min(...limits)).toBeLessThanOrEqual(6)
  expect(limit.current()).toBeGreaterThan(12)
})

test('where everything takes longer from now on, a core soon does what it can again', async () => {
  const random = createRandom(11)
  const admission = createAdmission({
    limit: gradientOf({ initial: 16, min: 8 }),
    onRefused: () => {},
    clock,
    random,
  })
  const before = { servers: 16, serviceMs: 20 }
  await runServed(admission, before, { rates: mixOf(before, 0.8), seconds: 30, random })
  const slower = { servers: 16, serviceMs: 50 }
  await runServed(admission, slower, { rates: mixOf(slower, 1.2), seconds: 40, random })
  const { all } = await runServed(admission, slower, { rates: mixOf(slower, 1.2), seconds: 30, random })
  expect(all.served / 30).toBeGreaterThan((0.93 * 16_000) / 50)
})

test('a look that slow requests hold up ends after a second', () => {
  const limit = gradientOf({ initial: 60, min: 4 })
  for (let round = 0; round < 20; round++) note(limit, 'read', 5, 1)
  let before = limit.current()
  for (let round = 0; limit.current() > before / 2; round++) {
    before = limit.current()
    note(limit, 'read', 9, before)
    expect(round).toBeLessThan(1_000)
  }
  vi.advanceTimersByTime(1_001)
  expect(limit.current()).toBeGreaterThan(before / 2)
})

test('a limit that nobody needs does not grow', () => {
  const limit = gradientOf({ initial: 20, min: 4 })
  for (let round = 0; round < 100; round++) note(limit, 'read', 5, 3)
  expect(limit.current()).toBe(20)
})
