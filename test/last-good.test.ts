import { expect, test } from 'vitest'
import type { DataCentre, Kept } from '#edge/data-centre.ts'
import { createLastGood } from '#edge/last-good.ts'

const dayMs = 86_400_000

/** A data centre of several isolates, the last tier behind it, and time that stands still. */
const start = () => {
  let now = 1_000_000
  const cache = new Map<string, Kept & { readonly until: number }>()
  const dataCentre: DataCentre = {
    read: async (name) => {
      const kept = cache.get(name)
      return kept && kept.until > now ? kept : undefined
    },
    write: async (name, kept, keptMs) => void cache.set(name, { ...kept, until: now + keptMs }),
  }
  const kept = new Map<string, string>()
  let writes = 0
  let down = false
  const texts = {
    recall: async (key: string) => {
      if (down) throw new Error('gone')
      return kept.get(key) ?? null
    },
    keep: async (key: string, { text }: { readonly text: string }) => {
      if (down) throw new Error('gone')
      writes++
      kept.set(key, text)
    },
  }
  return {
    startIsolate: () => createLastGood({ texts, dataCentre, clock: () => now }),
    writes: () => writes,
    advance: (ms: number) => {
      now += ms
    },
    be: (isDown: boolean) => {
      down = isDown
    },
  }
}

test('a text is told once by a data centre, again when it changes, and again before its life is over', async () => {
  const { startIsolate, writes, advance } = start()
  const isolates = [startIsolate(), startIsolate()]
  const keepAll = async (text: string) => {
    for (const isolate of isolates) await isolate.keep('clients', text)
    return writes()
  }
  expect([await keepAll('a'), await keepAll('a')]).toEqual([1, 1])
  expect([await keepAll('b'), await keepAll('a')]).toEqual([2, 3])
  for (let day = 0; day < 30; day++) {
    advance(dayMs)
    await keepAll('a')
  }
  expect(writes()).toBe(7)
})

test('an isolate that was idle while another text was told of tells of its own again', async () => {
  const { startIsolate, advance } = start()
  const [idle, busy] = [startIsolate(), startIsolate()]
  await idle.keep('clients', 'a')
  advance(60_000)
  await busy.keep('clients', 'b')
  await idle.keep('clients', 'a')
  expect(await busy.recall('clients')).toBe('a')
})

test('a last tier that fails is as if it held nothing, and is told later', async () => {
  const { startIsolate, be } = start()
  const isolate = startIsolate()
  be(true)
  await isolate.keep('clients', 'a')
  expect(await isolate.recall('clients')).toBe(undefined)
  be(false)
  expect(await isolate.recall('clients')).toBe(undefined)
  await isolate.keep('clients', 'a')
  expect(await isolate.recall('clients')).toBe('a')
})
