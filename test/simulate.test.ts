import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { commandsOf, fillWrites } from '#bench/simulate/commands.ts'
import { inputs, modelAssumptions, valuesOf } from '#bench/simulate/inputs.ts'
import { inputsText } from '#bench/simulate/inputs-report.ts'
import { networkFates } from '#bench/simulate/limits.ts'
import { parseOptions } from '#bench/simulate/options.ts'
import { simulateAll } from '#bench/simulate/pool.ts'
import { massOf, stratify, weightOf } from '#bench/simulate/popularity.ts'
import { createProgress } from '#bench/simulate/progress.ts'
import { createPicker, createRandom } from '#bench/simulate/random.ts'
import type { Scenario, Segment } from '#bench/simulate/scenario.ts'
import { sources } from '#bench/simulate/tally.ts'
import { type Measured, simulate } from '#bench/simulate/window.ts'
import { createUpstash } from '#infra/upstash.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

const segment: Segment = {
  name: 'all day',
  seconds: 60,
  readsPerSecond: 50,
  crowdReadsPerSecond: 0,
  changesPerSecond: 1,
  requestsPerSecond: 100,
  withHot: true,
  isMeasured: true,
}

/** A deployment of two cities in which nothing is left out. */
const small: Scenario = {
  name: 'small',
  seed: 1,
  things: 500,
  exponent: 0.8,
  crowd: 10,
  keepOneIn: 1,
  growth: 0,
  stepMs: 1,
  cells: 2,
  dataCentres: 2,
  dataCentreExponent: 0.8,
  requestsPerIsolate: 30,
  tiers: { memory: true, dataCentre: true, upstash: true },
  lives: { freshMs: 2_000, staleMs: 300_000, hardMs: 3_600_000 },
  latencies: { dataCentreMs: 3, upstashMs: 20, coreMs: 60 },
  invalidationMs: 300,
  entryBytes: 2_000,
  segments: [segment],
}

const only = (measured: readonly Measured[]): Measured => measured[0] ?? expect.fail('a segment was measured')

test('a seed decides what comes out, for any number of threads, and another seed is another day', async () => {
  const [first, again, other] = [await simulate(small), await simulate(small), await simulate({ ...small, seed: 2 })]
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
  expect(await simulateAll([small, { ...small, seed: 2 }], 2)).toEqual([first, other])
})

test('every read is answered by one tier and by no other, and tiers are asked for each answer that they give', async () => {
  const { rates } = only(await simulate(small))
  const { shares, perSecond, readsPerSecond, collapsedShare } = rates
  expect(sources.reduce((sum, source) => sum + shares[source], 0)).toBeCloseTo(1, 12)
  expect(shares.last).toBe(0)
  for (const source of ['memory', 'data-centre', 'upstash', 'core'] as const) expect(shares[source]).toBeGreaterThan(0)
  const own = (source: 'data-centre' | 'upstash' | 'core') => (shares[source] - collapsedShare) * readsPerSecond
  expect(perSecond.dataCentreReads).toBeGreaterThan(own('data-centre') + own('upstash') + own('core'))
  expect(perSecond.lookUps).toBeGreaterThan(own('upstash') + own('core'))
  expect(perSecond.coreReads).toBeGreaterThan(own('core'))
  expect(perSecond.fills).toBeCloseTo(perSecond.coreReads, 6)
  expect(perSecond.raises).toBeCloseTo(segment.changesPerSecond, 0)
})

test('one isolate finds one thing in its memory as often as renewal theory says', async () => {
  const freshSeconds = small.lives.freshMs / 1_000
  const reads = 8_000
  for (const perFreshLife of [0.5, 2, 8]) {
    const readsPerSecond = perFreshLife / freshSeconds
    const alone: Scenario = {
      ...small,
      stepMs: 10,
      name: `alone at ${perFreshLife}`,
      things: 1,
      dataCentres: 1,
      requestsPerIsolate: 1_000_000,
      tiers: { memory: true, dataCentre: false, upstash: true },
      latencies: { dataCentreMs: 1, upstashMs: 1, coreMs: 1 },
      segments: [{ ...segment, readsPerSecond, changesPerSecond: 0, seconds: Math.round(reads / readsPerSecond) }],
    }
    const { rates } = only(await simulate(alone))
    // A look asks once and serves whoever comes in its fresh life; the next who comes asks again.
    expect(Math.abs(rates.shares.memory - (1 - 1 / (1 + perFreshLife)))).toBeLessThan(0.02)
  }
})

test('a sample of the things tells what all of them do', async () => {
  const scenario: Scenario = {
    ...small,
    things: 20_000,
    stepMs: 10,
    segments: [
      { ...segment, seconds: 60, readsPerSecond: 300, isMeasured: false },
      { ...segment, seconds: 60, readsPerSecond: 300 },
    ],
  }
  const [warmUp, measured] = scenario.segments
  const sampled: Scenario = {
    ...scenario,
    keepOneIn: 10,
    growth: 1,
    segments: [
      { ...(warmUp ?? segment), withHot: false },
      { ...(measured ?? segment), withHot: false },
      { ...(measured ?? segment), seconds: 5, isMeasured: false },
      { ...(measured ?? segment), seconds: 20 },
    ],
  }
  const whole = only(await simulate(scenario)).rates
  const part = only(await simulate(sampled)).rates
  expect(part.simulated).toBeLessThan(whole.simulated / 2)
  expect(part.scale).toBeCloseTo(1, 1)
  for (const source of sources) expect(Math.abs(part.shares[source] - whole.shares[source]), source).toBeLessThan(0.03)
  for (const operation of ['lookUps', 'fills', 'coreReads'] as const)
    expect(part.perSecond[operation] / whole.perSecond[operation], operation).toBeCloseTo(1, 0.7)
})

test('a tier that is away answers nothing, and the core answers for Upstash', async () => {
  const without = async (tiers: Partial<Scenario['tiers']>) =>
    only(await simulate({ ...small, tiers: { ...small.tiers, ...tiers } })).rates.shares
  expect((await without({ memory: false })).memory).toBe(0)
  expect((await without({ dataCentre: false }))['data-centre']).toBe(0)
  const { upstash, core } = await without({ upstash: false })
  expect(upstash).toBe(0)
  expect(core).toBeGreaterThan(only(await simulate(small)).rates.shares.core)
})

test('strata hold all things once, with the reads of Zipf', () => {
  for (const exponent of [0.6, 1, 1.2]) {
    const strata = stratify({ things: 1_000_000, exponent, keepOneIn: 50, growth: 1, crowd: 100 })
    const sum = (of: (stratum: (typeof strata)[number]) => number) =>
      strata.reduce((total, each) => total + of(each), 0)
    expect(sum(({ things }) => things)).toBe(1_000_000)
    expect(sum(({ share }) => share)).toBeCloseTo(1, 9)
    expect(sum(({ crowdShare }) => crowdShare)).toBeCloseTo(1, 9)
    expect(sum((stratum) => stratum.sampled * weightOf(stratum))).toBeCloseTo(1_000_000, 3)
    const exact = Array.from({ length: 5_000 }, (_, at) => (at + 1) ** -exponent).reduce(
      (total, mass) => total + mass,
      0,
    )
    expect(massOf(exponent, 1, 5_001) / exact).toBeCloseTo(1, 6)
  }
})

test('what is picked comes as often as its weight says', () => {
  const random = createRandom(7)
  const pick = createPicker([1, 0, 2, 7])
  const counts = [0, 0, 0, 0]
  for (let at = 0; at < 100_000; at++) {
    const picked = pick(random)
    counts[picked] = (counts[picked] ?? 0) + 1
  }
  expect(counts[1]).toBe(0)
  expect(counts.map((count) => count / 100_000)).toEqual([0.1, 0, 0.2, 0.7].map((share) => expect.closeTo(share, 2)))
})

const readAll = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const pipelineSchema = z.array(z.array(z.union([z.string(), z.number()])))

test('a look-up, a fill and a raise are as many commands as the edge sends for them', async () => {
  const sent: (readonly (string | number)[])[] = []
  const server = createServer(async (request, response) => {
    const commands = pipelineSchema.parse(JSON.parse(await readAll(request)))
    sent.push(...commands)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(commands.map(() => ({ result: 1 }))))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const store = createUpstash({ url: `http://127.0.0.1:${port}`, token: 'test-token', timeoutMs: 5_000 })
  const commandsIn = async (work: Promise<unknown>) => {
    await work
    return sent.splice(0)
  }
  const tag = { tag: 'player:a', version: 1 }
  expect(await commandsIn(store.lookUp('key', 'player:a'))).toHaveLength(commandsOf.lookUps)
  const fill = await commandsIn(store.fill('key', tag, { text: 'text', lifeMs: 1_000 }))
  expect(fill).toHaveLength(commandsOf.fills)
  expect(fill.filter(([name]) => String(name).toLowerCase() !== 'dbsize')).toHaveLength(fillWrites)
  expect(await commandsIn(store.raise([tag]))).toHaveLength(commandsOf.raises)
})

test('a crowd behind one address is let in up to the limits of edge and core', async () => {
  const fates = await networkFates(valuesOf(), 1)
  const refused = fates.map(({ refusedByEdge, refusedByCore }) => refusedByEdge + refusedByCore)
  expect(refused[0]).toBe(0)
  expect(refused.at(-1)).toBeGreaterThan(0.5)
})

test('every figure has a name of its own, a reason and where it comes from', () => {
  const all = Object.values(inputs)
  const ids = [...all, ...modelAssumptions].map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { id, value, what, basis } of all) {
    expect(value, id).toBeGreaterThan(0)
    expect(what, id).toMatch(/^[A-Z].{10,}\.$/)
    if (basis.kind === 'source') {
      expect(URL.canParse(basis.url), id).toBe(true)
      expect(basis.read, id).toMatch(/^\d{4}-\d\d-\d\d$/)
    }
  }
  const text = inputsText(valuesOf({ cells: 5 }))
  for (const name of Object.keys(inputs)) expect(text).toContain(` ${name} = `)
  expect(text).toContain('cells = 5 cells (3 where nothing else is said)')
})

test('options that make no sense are refused with what would', () => {
  const refusal = (...args: string[]): string => {
    try {
      parseOptions(args)
      return 'not refused'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  expect(refusal('--players', '12')).toBe('--players takes whole numbers from 10000 to 20000000, not: 12')
  expect(refusal('--players', '2X')).toBe('--players takes whole numbers from 10000 to 20000000, not: 2X')
  expect(refusal('--seed', 'x')).toContain('--seed takes whole numbers')
  expect(refusal('--seed', '')).toContain('--seed takes whole numbers')
  expect(refusal('--only', 'day,night')).toBe('--only takes day, tiers, sensitivity, check, limits, not: night')
  expect(refusal('--set', 'zipf=1')).toBe('--set takes a name that --inputs lists, not: zipf')
  expect(refusal('--set', 'zipfExponent=no')).toBe('--set zipfExponent takes a number above 0, not: no')
  expect(refusal('--set', 'cells=2.5')).toBe('--set cells takes a whole number, not: 2.5')
  expect(refusal('--threads', '1000')).toContain('--threads takes whole numbers from 0 to 64')
  expect(refusal('--fast')).toContain("Unknown option '--fast'")
  expect(parseOptions(['--players', '2M,500k'])).toMatchObject({
    kind: 'run',
    simulation: { players: [500_000, 2_000_000] },
  })
})

test('an output that is no folder is refused before the run', async () => {
  const file = fileURLToPath(import.meta.url)
  for (const output of [file, join(file, 'below'), '']) {
    const run = spawn(process.execPath, ['bench/simulate/main.ts', '--output', output], { cwd: project })
    onTestFinished(() => void run.kill())
    const [told, [code]] = await Promise.all([text(run.stderr), once(run, 'close')])
    expect(code).toBe(2)
    expect(told).toMatch(/^--output takes a folder that can be written to, not: .+\n$/)
  }
})

test('progress goes with the work, in a terminal as a bar and elsewhere as lines', () => {
  const told = (isTTY: boolean) => {
    let nowMs = 0
    const written: string[] = []
    const progress = createProgress({ isTTY, write: (text) => written.push(text) }, () => nowMs)
    for (let share = 0.1; share < 1; share += 0.1) {
      nowMs += 6_000
      progress.tell(share)
    }
    progress.done()
    return written
  }
  expect(told(false)[0]).toBe('20 %, 48 s left\n')
  expect(told(true)[4]).toContain('[###############...............] 50 %, 30 s left')
})
