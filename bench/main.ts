import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCleanup } from './cleanup.ts'
import { runCoreSuite } from './core.ts'
import { runEdgeSuite } from './edge.ts'
import { parseOptions, usage } from './options.ts'
import { faultsOf, summaryOf, writeResult } from './report.ts'

/** `npm run bench -- core`, `npm run bench -- edge`: measures, writes the results, and fails where they must not be believed. */

const resultsFolder = fileURLToPath(new URL('./results', import.meta.url))

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

const optionsOrExit = () => {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`)
    return process.exit(2)
  }
}

const options = optionsOrExit()
const cleanup = createCleanup()
let interrupted = false

const interrupt = async (code: number) => {
  interrupted = true
  console.error('interrupted: what was started is stopped, and nothing is written')
  await cleanup.run()
  process.exit(code)
}
// 128 and the number of the signal, as a shell would say it.
process.once('SIGINT', () => void interrupt(130))
process.once('SIGTERM', () => void interrupt(143))

try {
  const startedAt = new Date()
  const report = (line: string) => console.log(line)
  const result = await (options.suite === 'core'
    ? runCoreSuite(options, cleanup, report)
    : runEdgeSuite(options, cleanup, report))
  const name = `${startedAt.toISOString().slice(0, 19).replaceAll(':', '-')}Z-${result.suite}`
  const folder = options.output ?? join(resultsFolder, name)
  writeResult(folder, result)
  console.log(`\n${summaryOf(result)}\n\nresults.json, results.md and results.svg are in ${folder}`)
  if (faultsOf(result).length > 0) process.exitCode = 1
} catch (error) {
  // What was stopped under way fails somewhere; why is of no interest.
  if (!interrupted) console.error(messageOf(error))
  process.exitCode = 1
}
await cleanup.run()
