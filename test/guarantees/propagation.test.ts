import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { evaluateAt, flagsSaying } from '#test/evaluating.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { publishDocument } from '#test/published.ts'
import { quantileOf } from '#test/quantile.ts'

const publishes = sized({ short: 3, long: 40 })
const dataCentres = 3
const isolatesEach = 3
/** What is promised of a publish, to the last isolate. */
const promisedMs = 10_000
/** How often each isolate is asked, ms: the last one is an isolate that hardly anybody asks. */
const busyMs = 50
const quietMs = 1_500
/** Publishes come at any moment of the life of a pointer. */
const pauseMaxMs = 5_000

let world: World
const centres: DataCentre[] = []
const random = createRandom()
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  while (centres.length < dataCentres) centres.push(await startIsolates(world, { isolates: isolatesEach }))
})
afterAll(async () => {
  for (const centre of centres) await centre.stop()
  await world?.stop()
})

/** Every third publish brings back what was live before the last one. */
const wordOf = (at: number) => (at % 3 === 2 ? `word ${at - 2}` : `word ${at}`)

/** Milliseconds from `since` until an isolate answers from the document of this number, or from a later one. */
const untilThere = async (url: string, number: number, { since, everyMs }: { since: number; everyMs: number }) => {
  for (;;) {
    const answer = await evaluateAt(world, url)
    expect(answer.status).toBe(200)
    if (answer.number >= number) return performance.now() - since
    // Behind by more than that it has failed; nothing is gained by going on.
    if (performance.now() - since > 2 * promisedMs) throw new Error(`${url} still answers from ${answer.number}`)
    await pause(everyMs)
  }
}

test('a publish or a rollback has reached the last isolate of every data centre within ten seconds', {
  timeout: 60_000 + publishes * 15_000,
}, async () => {
  const urls = centres.flatMap((centre) => centre.urls)
  await publishDocument(world, 'flags', flagsSaying('before'))
  await Promise.all(urls.map((url) => evaluateAt(world, url)))
  const each: number[] = []
  const last: number[] = []
  for (let at = 0; at < publishes; at++) {
    await pause(random() * pauseMaxMs)
    const { number } = await publishDocument(world, 'flags', flagsSaying(wordOf(at)))
    const since = performance.now()
    const times = await Promise.all(
      urls.map((url, place) =>
        untilThere(url, number, { since, everyMs: place === urls.length - 1 ? quietMs : busyMs }),
      ),
    )
    for (const url of urls) expect(await evaluateAt(world, url)).toMatchObject({ number, value: wordOf(at) })
    each.push(...times)
    last.push(Math.max(...times))
  }
  const ms = (values: readonly number[], share: number) => Math.round(quantileOf(values, share))
  tell('propagation', {
    publishes,
    isolates: urls.length,
    'isolate p50 ms': ms(each, 0.5),
    'isolate p99 ms': ms(each, 0.99),
    'last isolate p50 ms': ms(last, 0.5),
    'last isolate p99 ms': ms(last, 0.99),
    'last isolate max ms': ms(last, 1),
  })
  expect(Math.max(...last)).toBeLessThan(promisedMs)
})
