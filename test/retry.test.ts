import { beforeEach, expect, test } from 'vitest'
import { cellSchema } from '#contract/ids.ts'
import { Fault, retryAfterOf } from '#contract/problem.ts'
import type { CoreAnswer, CoreRequest } from '#edge/core-call.ts'
import { createRetrying, Lost } from '#edge/retry.ts'
import { createRetryBudget } from '#edge/retry-budget.ts'

/** The one layer that retries, over attempts that end as a test says. The clock is held, and a pause passes at once. */

const eu = cellSchema.parse('eu1')
const us = cellSchema.parse('us1')

type End = CoreAnswer | Error

let nowMs: number
let ends: End[]
let asked: string[]
let skipping: Set<string>
let counted: string[]
let pauses: number[]
let budgets: Map<string, ReturnType<typeof createRetryBudget>>
/** How long each attempt takes. */
let attemptMs: number

beforeEach(() => {
  nowMs = 1_000_000
  ends = []
  asked = []
  skipping = new Set()
  counted = []
  pauses = []
  budgets = new Map([eu, us].map((cell) => [cell, createRetryBudget()]))
  attemptMs = 10
})

/** What a core says of when to come back, where it has no reason to say another time. */
const soon = retryAfterOf(new Fault('unavailable')) ?? ''

const answer = (status: number, code?: string, retryAfter = soon): CoreAnswer => ({
  status,
  code,
  text: code ?? 'done',
  headers: new Headers(status === 503 ? { 'retry-after': retryAfter } : {}),
})
const done = answer(200)
const lost = () => new Lost(new Error('the connection broke'))
const unavailable = answer(503, 'unavailable')

const attempt = async ({ cell }: CoreRequest): Promise<CoreAnswer> => {
  asked.push(cell)
  nowMs += attemptMs
  const end = ends.shift() ?? done
  if (end instanceof Error) throw end
  return end
}

const retrying = createRetrying({
  guardOf: (cell) => ({
    isSkipping: () => skipping.has(cell),
    retryBudget: budgets.get(cell) ?? expect.fail('no such cell'),
  }),
  counts: {
    retries: (cell) => counted.push(`retry ${cell}`),
    unaffordable: (cell) => counted.push(`unaffordable ${cell}`),
  },
  clock: () => nowMs,
  random: () => 0.5,
  pause: async (ms) => {
    pauses.push(ms)
    nowMs += ms
  },
})

const ask = (over: Partial<CoreRequest> = {}) =>
  retrying({ cell: eu, method: 'GET', target: '/', deadlineAt: nowMs + 2_000, ...over }, attempt).then(
    ({ text }) => text,
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  )

const write = { method: 'POST', repeatable: true }

test.each([
  ['a read whose connection broke', {}, lost()],
  ['a write that may be repeated', write, lost()],
  ['a read that a core could not do just now', {}, unavailable],
])('%s is tried again, once, after a random part of 100 ms', async (_, request, failure) => {
  ends = [failure, done]
  expect(await ask(request)).toBe('done')
  expect([asked, pauses, counted]).toEqual([[eu, eu], [50], ['retry eu1']])
  ends = [failure, failure, done]
  expect(await ask(request)).toBe('unavailable')
  expect(asked).toHaveLength(4)
})

test.each([
  ['a write that may not be repeated', { method: 'POST', repeatable: false }, lost()],
  ['one of which nothing is said', { method: 'POST' }, unavailable],
  ['what the core has too much of', {}, answer(503, 'overloaded')],
  ['what was kept back', {}, new Fault('overloaded')],
  ['a mistake', {}, answer(500, 'internal')],
  ['what took too long', {}, new Fault('deadline_exceeded')],
  ['what ran out of time at the core', {}, answer(503, 'deadline_exceeded')],
  ['what another cell is asked for', {}, answer(503, 'unavailable', '5')],
  ['a refusal', {}, answer(404, 'not_found')],
  ['what a breaker has skipped', {}, new Fault('unavailable')],
])('%s is not tried again', async (_, request, failure) => {
  ends = [failure, done]
  expect(await ask(request)).toBe(failure instanceof Fault ? failure.code : 'text' in failure ? failure.text : '')
  expect([asked, counted]).toEqual([[eu], []])
})

test('a refusal that took long is not tried again, a connection that broke late is', async () => {
  attemptMs = 201
  ends = [unavailable]
  expect(await ask()).toBe('unavailable')
  expect(asked).toEqual([eu])
  ends = [lost()]
  expect(await ask()).toBe('done')
})

test('without the time for it there is no retry, and nothing is spent', async () => {
  ends = [lost()]
  expect(await ask({ deadlineAt: nowMs + 309 })).toBe('unavailable')
  ends = [lost()]
  expect(await ask({ deadlineAt: nowMs + 310 })).toBe('done')
  expect(counted).toEqual(['retry eu1'])
})

test('when everything fails no more than a tenth of the calls is tried again, beside ten', async () => {
  const calls = 1_000
  for (let at = 0; at < calls; at++) {
    ends = [lost(), lost()]
    expect(await ask()).toBe('unavailable')
  }
  const retries = asked.length - calls
  expect(retries).toBeGreaterThanOrEqual(calls / 10)
  expect(retries).toBeLessThanOrEqual(calls / 10 + 10)
  expect(counted.filter((name) => name === 'unaffordable eu1')).toHaveLength(calls - retries)
})

test('what has an alternative is tried again there, and once it is known that nobody is here, is sent there at once', async () => {
  const signIn = { ...write, alternative: us }
  ends = [lost()]
  expect(await ask(signIn)).toBe('done')
  expect(asked).toEqual([eu, us])
  skipping.add(eu)
  asked = []
  for (let at = 0; at < 100; at++) expect(await ask(signIn)).toBe('done')
  expect(new Set(asked)).toEqual(new Set([us]))
  expect(counted).toEqual(['retry eu1'])
  // It may go there too though it must not be repeated: nothing was sent.
  expect(await ask({ ...signIn, repeatable: false })).toBe('done')
})

test('a call that was sent to its alternative has its one retry there', async () => {
  skipping.add(eu)
  ends = [lost(), done]
  expect(await ask({ ...write, alternative: us })).toBe('done')
  expect([asked, counted]).toEqual([[us, us], ['retry us1']])
})

test('where the alternative is away the retry is for the same cell, and where all are there is none', async () => {
  skipping.add(us)
  ends = [lost()]
  expect(await ask({ ...write, alternative: us })).toBe('done')
  expect(asked).toEqual([eu, eu])
  skipping.add(eu)
  ends = [lost()]
  expect(await ask({ ...write, alternative: us })).toBe('unavailable')
  expect(asked).toEqual([eu, eu, eu])
  expect(counted).toEqual(['retry eu1'])
})
