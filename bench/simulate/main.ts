import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { billTable } from './bill.ts'
import { runBills } from './bills.ts'
import { inputsText } from './inputs-report.ts'
import { parseOptions, usage } from './options.ts'
import { plot } from './plot.ts'
import { createProgress } from './progress.ts'
import { reportOf } from './report.ts'
import { runSimulation, type Simulation } from './simulation.ts'

/** `npm run simulate`: what a deployment of some million players does and costs, by the edge's own cache under a model of the world. */

const resultsFolder = fileURLToPath(new URL('../results', import.meta.url))

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const optionsOrExit = () => {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`)
    return process.exit(2)
  }
}

/** Before the run, which takes minutes: else its results would be lost. */
const makeFolderOrExit = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    console.error(`--output takes a folder that can be written to, not: ${folder} (${messageOf(error)})`)
    process.exit(2)
  }
}

/** Writes the files of a run, and answers with their names. A drawing there is of days only. */
const write = (folder: string, simulation: Simulation, report: string): readonly string[] => {
  const files: [name: string, text: string][] = [
    ['results.json', `${JSON.stringify(simulation, undefined, 2)}\n`],
    ['results.md', `${report}\n`],
  ]
  if (simulation.days.length > 0) files.push(['results.svg', plot(simulation)])
  for (const [name, text] of files) writeFileSync(join(folder, name), text)
  return files.map(([name]) => name)
}

const options = optionsOrExit()
if (options.kind === 'help') console.log(usage)
else if (options.kind === 'inputs') console.log(inputsText(options.values))
else if (options.kind === 'bill') console.log(billTable(await runBills(options)))
else {
  const startedAt = new Date()
  const name = `${startedAt.toISOString().slice(0, 19).replaceAll(':', '-')}Z-simulate`
  const folder = options.output ?? join(resultsFolder, name)
  makeFolderOrExit(folder)
  const progress = createProgress(process.stderr, Date.now)
  const simulation = await runSimulation(options.simulation, progress.tell)
  progress.done()
  const report = reportOf(simulation, options.simulation.values)
  const files = write(folder, simulation, report)
  if (options.isJson) console.log(JSON.stringify(simulation))
  else {
    const seconds = Math.round((Date.now() - startedAt.getTime()) / 1_000)
    console.log(`${report}\n\nSeed ${simulation.seed}, ${seconds} s. Written to ${folder}: ${files.join(', ')}`)
  }
}
