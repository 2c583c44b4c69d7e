import { expect, test } from 'vitest'
import { createGatherer } from '#core/gather.ts'

/** A run that waits for its turn to be let through, and records what it was given. */
const createStage = (fail: (inputs: readonly string[]) => Error | undefined = () => undefined) => {
  const runs: string[][] = []
  const gates: (() => void)[] = []
  const run = async (inputs: readonly string[]) => {
    runs.push([...inputs])
    await new Promise<void>((resolve) => gates.push(resolve))
    const error = fail(inputs)
    if (error) throw error
    return inputs.map((input) => input.toUpperCase())
  }
  const open = async () => {
    while (gates.length > 0) {
      for (const gate of gates.splice(0)) gate()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { runs, run, open }
}

test('a lone one goes at once, and what arrives meanwhile goes together, in order and at most a set', async () => {
  const { runs, run, open } = createStage()
  const gather = createGatherer({ run, sets: { size: 3, inFlight: 1 } })
  const answers = ['a', 'b', 'c', 'd', 'e'].map((input) => gather(input))
  expect(runs).toEqual([['a']])
  await open()
  expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D', 'E'])
  expect(runs).toEqual([['a'], ['b', 'c', 'd'], ['e']])
})

test('two of one key never go together, and nobody behind them waits for that', async () => {
  const { runs, run, open } = createStage()
  const gather = createGatherer({ run, keyOf: (input) => input.slice(0, 1), sets: { size: 8, inFlight: 1 } })
  const answers = ['x', 'a1', 'a2', 'b1', 'a3', 'b2'].map((input) => gather(input))
  await open()
  expect(await Promise.all(answers)).toEqual(['X', 'A1', 'A2', 'B1', 'A3', 'B2'])
  expect(runs).toEqual([['x'], ['a1', 'b1'], ['a2', 'b2'], ['a3']])
})

test('one that breaks its set fails alone', async () => {
  const { run, open } = createStage((inputs) => (inputs.includes('bad') ? new Error('broken') : undefined))
  const gather = createGatherer({ run, sets: { size: 8, inFlight: 1 } })
  const settled = Promise.allSettled(['first', 'a', 'bad', 'b'].map((input) => gather(input)))
  await open()
  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
})

test('with the database away a set is not tried one by one', async () => {
  const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
  const { runs, run, open } = createStage(() => away)
  const gather = createGatherer({ run, sets: { size: 8, inFlight: 1 } })
  const settled = Promise.allSettled(['first', 'a', 'b'].map((input) => gather(input)))
  await open()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(runs).toEqual([['first'], ['a', 'b']])
})

test('what nobody waits for any more is not done, and spoils nothing for the others', async () => {
  const { runs, run, open } = createStage()
  let now = 0
  const gather = createGatherer({
    run,
    isExpired: (input) => input.startsWith('late') && now > 0,
    sets: { size: 8, inFlight: 1 },
  })
  const settled = Promise.allSettled(['first', 'late a', 'b'].map((input) => gather(input)))
  now = 1
  await open()
  expect(await settled).toMatchObject([{ value: 'FIRST' }, { reason: { code: 'deadline_exceeded' } }, { value: 'B' }])
  expect(runs).toEqual([['first'], ['b']])
})

test('who comes when two thousand wait is told to come back', async () => {
  const { run, open } = createStage()
  const gather = createGatherer({ run, sets: { size: 8, inFlight: 1 } })
  const answers = Array.from({ length: 2_001 }, (_, at) => gather(`n${at}`))
  await expect(gather('late')).rejects.toMatchObject({ code: 'unavailable' })
  await open()
  expect(await Promise.all(answers)).toHaveLength(2_001)
})
