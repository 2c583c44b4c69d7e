import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '#contract/problem.ts'
import type { Command, Written } from '#core/command.ts'
import { createWrite, type Outcome } from '#core/write.ts'
import type { Tx } from '#db/client.ts'
import { upsertCurrency } from '#db/wallet.ts'
import { cell, startWorld, type World } from './harness.ts'

/** The plain shape of a write, for verbs that are rare: the guarantees of the sets, one transaction a command. */

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const commandOf = (key: string, fingerprint = 'f'.repeat(64)): Command => ({
  principal: 'key:test',
  key,
  fingerprint,
  requestId: randomUUID(),
  traceparent: '00-0-0-01',
  now: new Date(),
  deadlineAt: Date.now() + 5_000,
})

/** A verb that counts its effects in a table: each one raises the cap of a currency by one. */
const raise =
  (code: string, after?: (tx: Tx) => Promise<void>) =>
  async (tx: Tx): Promise<Outcome<{ cap: number }>> => {
    await upsertCurrency(tx, { code, cap: (await capOf(code)) + 1, now: new Date() })
    await after?.(tx)
    return { kind: 'applied', answer: { cap: await capOf(code) }, events: [] }
  }

const capOf = async (code: string): Promise<number> =>
  Number((await world.sql`select cap from currencies where code = ${code}`)[0]?.cap ?? 0)

const write = () => {
  const { database, clock } = world
  return createWrite({ database, cell, clock, sets: { size: 64, inFlight: 2 } })
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  )

test('of 20 calls at once under one key one has an effect and the others its answer; another request is 422', async () => {
  const key = randomUUID()
  // On a busy machine the first takes longer than the others wait: who is told so comes again.
  const answer = async (): Promise<Written> => {
    try {
      return await write().one(commandOf(key), 200, raise('herd'))
    } catch (error) {
      if (error instanceof Fault && error.code === 'idempotency_in_flight') return answer()
      throw error
    }
  }
  const calls = Array.from({ length: 20 }, answer)
  const answers = await Promise.all(calls)
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
  expect(await capOf('herd')).toBe(1)
  expect(await codeOf(write().one(commandOf(key, 'other'), 200, raise('herd')))).toBe('idempotency_mismatch')
  expect(await capOf('herd')).toBe(1)
})

test('a retry while the first call still runs is told so after half a second, and gets its answer later', async () => {
  const key = randomUUID()
  const { promise: began, resolve: begin } = Promise.withResolvers<void>()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const slow = raise('slow', async () => {
    begin()
    await released
  })
  const first = write().one(commandOf(key), 200, slow)
  await began
  const startedAt = performance.now()
  const second = codeOf(write().one(commandOf(key), 200, raise('slow')))
  expect(await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 1_500, 'no word'))])).toBe(
    'idempotency_in_flight',
  )
  expect(performance.now() - startedAt).toBeGreaterThan(450)
  release()
  const answer = await first
  expect(await write().one(commandOf(key), 200, raise('slow'))).toEqual({ ...answer, replayed: true })
  expect(await capOf('slow')).toBe(1)
})

test('a refusal takes back what the verb wrote before it, and is the answer for every retry', async () => {
  const key = randomUUID()
  const refuse = async (tx: Tx): Promise<Outcome<never>> => {
    await raise('refused')(tx)
    return { kind: 'refused', fault: new Fault('not_found') }
  }
  const first = await write().one(commandOf(key), 200, refuse)
  expect(first).toMatchObject({ status: 404, replayed: false })
  expect(await write().one(commandOf(key), 200, raise('refused'))).toEqual({ ...first, replayed: true })
  expect(await capOf('refused')).toBe(0)
})

test('a transaction that loses against another is tried again; one that runs out of time has no effect', async () => {
  let lost = 0
  const loseTwice = raise('transient', async (tx) => {
    if (lost++ < 2) await tx.execute(`do $$ begin raise exception using errcode = '40001'; end $$`)
  })
  await write().one(commandOf(randomUUID()), 200, loseTwice)
  expect([lost, await capOf('transient')]).toEqual([3, 1])
  const late = { ...commandOf(randomUUID()), deadlineAt: Date.now() + 200 }
  const sleep = raise('late', async (tx) => void (await tx.execute('select pg_sleep(2)')))
  expect(await codeOf(write().one(late, 200, sleep))).not.toBe('done')
  expect(await capOf('late')).toBe(0)
})
