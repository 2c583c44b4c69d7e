import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { compileCache } from './compile-cache.ts'
import { benchMutants } from './mutants/bench.ts'
import { contractMutants } from './mutants/contract.ts'
import { coreMutants } from './mutants/core.ts'
import { dbMutants } from './mutants/db.ts'
import { edgeMutants } from './mutants/edge.ts'
import { infraMutants } from './mutants/infra.ts'
import type { Mutant } from './mutants/mutant.ts'
import { lend, type Services, startServices } from './services.ts'
import { copyWorktree, type Worktree } from './worktree.ts'

export const mutants: readonly Mutant[] = [
  ...contractMutants,
  ...dbMutants,
  ...infraMutants,
  ...coreMutants,
  ...edgeMutants,
  ...benchMutants,
]

/** Two cores: each run has a Postgres, a workerd and more of its own. */
const atOnceMax = 2
/** A run takes 10 to 30 s. */
const runMaxMs = 120_000

/** Of vitest's report, in Jest's form, what tells a test that failed from a run that broke. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string(),
      assertionResults: z.array(
        z.object({ title: z.string(), status: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
})

/** What the Worker's bundle is made from. */
const bundled = /^(contract|edge|infra)\//

type Stage = { readonly copy: Worktree; readonly services: Services }

/** Undefined when the test has failed for the mutant; else what is wrong. */
const survives = async (mutant: Mutant, { copy, services }: Stage): Promise<string | undefined> => {
  try {
    await copy.replace(mutant.file, mutant.find, mutant.replace)
    const report = join(copy.folder, 'mutant-report.json')
    await rm(report, { force: true })
    const pattern = `^${mutant.testName.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`
    const args = ['run', mutant.test, '--testNamePattern', pattern, '--reporter=json', `--outputFile=${report}`]
    const edgeBundle = bundled.test(mutant.file) ? null : services.edgeBundle
    // An emulator that only carries along what the test is not about costs seconds of CPU.
    const env = { ...lend({ ...services, edgeBundle, bus: 'direct' }), ...compileCache }
    const { output } = await copy.run('vitest', args, { maxMs: runMaxMs, env })
    const text = await readFile(report, 'utf8').catch(() => undefined)
    if (text === undefined) return `the run broke: ${output.slice(-600)}`
    const { testResults } = reportSchema.parse(JSON.parse(text))
    const ran = testResults
      .flatMap((file) => file.assertionResults)
      .filter(({ status }) => status === 'passed' || status === 'failed')
    const broke = testResults.map(({ message }) => message).join(' ')
    if (ran.length !== 1) return `${ran.length} tests ran, not one: ${broke} ${output.slice(-600)}`
    if (ran[0]?.status === 'passed') return 'the test passed all the same'
    const [message = ''] = ran[0]?.failureMessages ?? []
    // On a machine that is too busy even a whole test would fail like this.
    if (/timed out in \d+ ?ms/.test(message)) return 'the test ran out of time'
    console.log(`     ${mutant.name}: ${message.split('\n')[0]?.slice(0, 140)}`)
    return undefined
  } finally {
    await copy.restore(mutant.file)
  }
}

const main = async (names: readonly string[]): Promise<void> => {
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name))
  if (unknown.length > 0)
    throw new Error(
      `no mutant is named ${unknown.join(', ')}; there are: ${mutants.map(({ name }) => name).join(', ')}`,
    )
  const waiting = mutants.filter(({ name }) => names.length === 0 || names.includes(name))
  const services = await startServices()
  let passed = 0
  const failures: string[] = []
  const work = async () => {
    const copy = await copyWorktree()
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const startedAt = performance.now()
      const wrong = await survives(mutant, { copy, services }).catch((error: unknown) => String(error))
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
      if (wrong === undefined) passed++
      else failures.push(`FAIL ${mutant.name} (${seconds} s): ${wrong}`)
      console.log(wrong === undefined ? `ok   ${mutant.name} (${seconds} s)` : failures.at(-1))
    }
    await copy.remove()
  }
  await Promise.all(Array.from({ length: atOnceMax }, work))
  await services.stop()
  // Once more where the end of a long output is all that is read.
  for (const failure of failures) console.log(failure)
  console.log(`${passed} passed, ${failures.length} failed`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
