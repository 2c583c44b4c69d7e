import { expect, test } from 'vitest'
import type { ContentPointers } from '#contract/content.ts'
import { writeCompiled } from '#contract/evaluate/compiled.ts'
import { flagsDocumentSchema } from '#contract/evaluate/flags-document.ts'
import { Fault } from '#contract/problem.ts'
import { sha256 } from '#core/secrets.ts'
import { createContent, type Published } from '#edge/content.ts'
import type { Exchange } from '#edge/exchange.ts'
import { createLog } from '#infra/log.ts'

/** A document whose one flag has this value, as edges read it. */
const compiledOf = (value: string) =>
  writeCompiled(
    flagsDocumentSchema.parse({ flags: { greeting: { type: 'string', variants: { only: value }, default: 'only' } } }),
  )

/** An isolate on its own: pointers and bodies are what the test says, and time stands still. */
const startIsolate = () => {
  let now = 1_000_000
  let fetchedAt = now
  let value: ContentPointers = {}
  let pointers = { value, fetchedAt }
  const texts = new Map<string, string>()
  const waiting: PromiseWithResolvers<void>[] = []
  const logged: string[] = []
  const asked: string[] = []
  let held = false
  const content = createContent({
    readPointers: async () => pointers,
    readBody: async (hash) => {
      asked.push(hash)
      if (held) {
        const turn = Promise.withResolvers<void>()
        waiting.push(turn)
        await turn.promise
      }
      const text = texts.get(hash)
      if (text === undefined) throw new Fault('unavailable')
      return text
    },
    log: createLog({ service: 'edge' }, (line) => logged.push(line)),
    clock: () => now,
  })
  const point = (version: number, hash: string) => {
    value = { flags: { number: version, version, hash } }
    pointers = { value, fetchedAt }
  }
  const deferred: Promise<unknown>[] = []
  const exchange = { defer: (work: Promise<unknown>) => void deferred.push(work) } as unknown as Exchange
  return {
    logged,
    asked,
    /** The pointer of a text becomes known as of now. */
    publish: (version: number, text: string) => {
      const hash = sha256(text)
      texts.set(hash, text)
      fetchedAt = now
      point(version, hash)
    },
    /** The same pointer, read again. */
    confirm: () => {
      fetchedAt = now
      pointers = { value, fetchedAt }
    },
    forget: (text: string) => texts.delete(sha256(text)),
    advance: (ms: number) => {
      now += ms
    },
    hold: () => {
      held = true
    },
    release: () => {
      held = false
      for (const { resolve } of waiting.splice(0)) resolve()
    },
    settle: () => Promise.all(deferred),
    /** So many documents have been asked for. */
    untilAsked: async (count: number) => {
      while (asked.length < count) await Promise.resolve()
    },
    get: () => content.get(exchange),
    greeting: async () => greetingOf(await content.get(exchange)),
  }
}

const greetingOf = ({ evaluator }: Published) => {
  const evaluation = evaluator.evaluate('greeting', { context: {}, known: {}, now: 0 })
  return evaluation && 'value' in evaluation.answer ? evaluation.answer.value : undefined
}

test.each([10_000, 1_000])(
  'where nothing was published there are no flags, and the first document is waited for, %i ms later',
  async (laterMs) => {
    const isolate = startIsolate()
    expect(await isolate.greeting()).toBe(undefined)
    expect((await isolate.get()).numbers).toEqual({ flags: 0, 'live-events': 0 })
    isolate.advance(laterMs)
    isolate.publish(1, compiledOf('first'))
    expect(await isolate.greeting()).toBe('first')
  },
)

test('a busy isolate loads a new document behind its answers', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  isolate.advance(5_000)
  isolate.publish(2, compiledOf('second'))
  isolate.hold()
  expect(await isolate.greeting()).toBe('first')
  isolate.release()
  await isolate.settle()
  expect(await isolate.greeting()).toBe('second')
  expect((await isolate.get()).numbers.flags).toBe(2)
})

test('an isolate that was idle waits for a new document instead of answering from an old one', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('second')
})

test('that a request came just now does not make an isolate current: when it last heard from a core does', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  // What the data centre has is a few seconds old already.
  isolate.advance(4_000)
  expect(await isolate.greeting()).toBe('first')
  isolate.advance(6_000)
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('second')
})

test('a document is loaded once, however many ask meanwhile', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  isolate.hold()
  const greetings = Promise.all(Array.from({ length: 20 }, isolate.greeting))
  await Promise.resolve()
  isolate.release()
  expect(new Set(await greetings)).toEqual(new Set(['first']))
  expect(isolate.asked).toHaveLength(1)
})

test('a version never goes back, neither to a lower pointer nor to a load that ends late', async () => {
  const isolate = startIsolate()
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('second')
  isolate.advance(10_000)
  isolate.publish(1, compiledOf('first'))
  expect(await isolate.greeting()).toBe('second')
  isolate.advance(10_000)
  isolate.publish(3, compiledOf('third'))
  isolate.hold()
  const late = isolate.greeting()
  await Promise.resolve()
  await Promise.resolve()
  isolate.publish(4, compiledOf('fourth'))
  const early = isolate.greeting()
  isolate.release()
  await Promise.all([late, early])
  expect(await isolate.greeting()).toBe('fourth')
})

test('a document that cannot be read is never taken and is told of once, and the next good one is', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  const broken = ['{"format":2,"document":{}}', '{', 'null', '{"format":1}', '{"format":1,"document":{"flags":7}}']
  for (const [at, text] of broken.entries()) {
    isolate.advance(10_000)
    isolate.publish(2 + at, text)
    expect(await isolate.greeting(), text).toBe('first')
    isolate.advance(10_000)
    expect(await isolate.greeting(), text).toBe('first')
    expect(isolate.logged, text).toHaveLength(at + 1)
  }
  isolate.publish(9, compiledOf('ninth'))
  isolate.advance(10_000)
  expect(await isolate.greeting()).toBe('ninth')
})

test('without a good document of what was published it is unavailable, and says when to come back', async () => {
  const isolate = startIsolate()
  isolate.publish(1, '{"format":2}')
  await expect(isolate.get()).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
})

test('a document that cannot be had is asked for once a second, and answers go on from the last one', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('second'))
  isolate.forget(compiledOf('second'))
  for (let time = 0; time < 5; time++) expect(await isolate.greeting()).toBe('first')
  expect(isolate.asked).toHaveLength(2)
  isolate.advance(1_000)
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('second')
})

test('one object answers until something is published, and a rollback to what is held loads nothing', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  const published = await isolate.get()
  isolate.advance(5_000)
  isolate.confirm()
  expect(await isolate.get()).toBe(published)
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('first'))
  expect((await isolate.get()).numbers.flags).toBe(2)
  expect(isolate.asked).toHaveLength(1)
})

test('a document that is long in coming is waited for once: until somebody has it, answers go on from the last one', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('second'))
  isolate.hold()
  const waiting = isolate.greeting()
  await isolate.untilAsked(2)
  isolate.advance(1_500)
  isolate.forget(compiledOf('second'))
  isolate.release()
  expect(await waiting).toBe('first')
  for (let attempt = 3; attempt < 6; attempt++) {
    isolate.hold()
    isolate.advance(1_000)
    // Nobody lets go of what this has asked for.
    expect(await isolate.greeting()).toBe('first')
    await isolate.untilAsked(attempt)
    isolate.advance(1_500)
    isolate.release()
    await isolate.settle()
  }
  isolate.advance(1_000)
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('first')
  await isolate.settle()
  expect(await isolate.greeting()).toBe('second')
})

test('an isolate that was idle while a document was long in coming waits for it again', async () => {
  const isolate = startIsolate()
  isolate.publish(1, compiledOf('first'))
  await isolate.greeting()
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('second'))
  isolate.hold()
  const waiting = isolate.greeting()
  await isolate.untilAsked(2)
  isolate.advance(1_500)
  isolate.forget(compiledOf('second'))
  isolate.release()
  await waiting
  isolate.advance(10_000)
  isolate.publish(2, compiledOf('second'))
  expect(await isolate.greeting()).toBe('second')
})
