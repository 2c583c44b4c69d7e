import { parseArgs } from 'node:util'
import { parseLocalCells } from './cells.ts'
import { follow } from './follow.ts'
import { emptyLocalFolder, lockLocalFolder, unlockLocalFolder, writeDevState } from './local-folder.ts'
import { portIsFree } from './ports.ts'
import { note, printCells, printExamples, printServices } from './report.ts'
import { createServices } from './services.ts'
import { startStack } from './stack.ts'
import { startTraces } from './traces.ts'

/** `npm run dev`: the whole of Perigee on this machine, until Ctrl-C. */

const usage = `npm run dev [-- --cells eu1,us1] [-- --fresh] [-- --verbose] [-- --trace]

  --cells     the cells to start, one to five, the control cell first; eu1 where it is not given
  --fresh     deletes the data, secrets and keys of former runs first, those of all cells
  --verbose   prints the logs of the cores and the Worker
  --trace     prints what each request did, where and for how long, as a tree

PERIGEE_PORT is the port of the edge, 8787 where it is not set. All other ports are chosen by the system.`

const defaultPort = '8787'
const defaultCells = 'eu1'

const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const parse = () => {
  try {
    const { cells = defaultCells, ...flags } = parseArgs({
      options: {
        cells: { type: 'string' },
        fresh: { type: 'boolean' },
        verbose: { type: 'boolean' },
        trace: { type: 'boolean' },
      },
    }).values
    return { ...flags, cells: parseLocalCells(cells) }
  } catch (error) {
    return fail(`${messageOf(error)}\n\n${usage}`)
  }
}

/** Whether a service runs our own code, rather than somebody else's that ours stands on. */
const isOurs = (name: string): boolean => name === 'edge' || name.startsWith('core-')

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const { cells, fresh, verbose, trace } = parse()
const port = Number(process.env.PERIGEE_PORT || defaultPort)
if (!Number.isInteger(port) || port < 1 || port > 65_535)
  fail(`PERIGEE_PORT is not a port: ${process.env.PERIGEE_PORT}`)
try {
  lockLocalFolder()
} catch (error) {
  fail(messageOf(error))
}
if (!(await portIsFree(port))) {
  unlockLocalFolder()
  fail(`Port ${port} of 127.0.0.1 is taken. Choose another one for the edge: PERIGEE_PORT=8788 npm run dev`)
}

const services = createServices((line) => note(line))
let stopping: Promise<void> | undefined

/** Stops everything, once, and ends this process. */
const stop = (exitCode: number): Promise<void> => {
  stopping ??= services.stop().then(() => {
    unlockLocalFolder()
    process.exit(exitCode)
  })
  return stopping
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!stopping) {
      console.log('\nStopping. Again: at once.')
      void stop(0)
      return
    }
    services.kill()
    unlockLocalFolder()
    process.exit(1)
  })

try {
  if (fresh) emptyLocalFolder(cells.map(({ cell }) => cell))
  const traces = trace ? await startTraces((line) => console.log(line)) : undefined
  const { keys, state } = await startStack(services, cells, { edgePort: port, collector: traces?.collector })
  if (!stopping) {
    writeDevState(state)
    printServices(services.list())
    printCells(cells)
    printExamples(state.edgeUrl, keys)
    console.log(`Perigee is on ${state.edgeUrl}. Ctrl-C stops it.`)
    for (const { name, child } of services.list()) {
      if (verbose && isOurs(name)) follow(child.logFile, (line) => console.log(`${name} | ${line}`))
      if (traces && name === 'edge') follow(child.logFile, traces.takeEdgeLine)
    }
  }
  const loss = await services.lost
  if (!stopping) console.error(loss)
} catch (error) {
  // A start that was interrupted fails somewhere; why is of no interest.
  if (!stopping) console.error(messageOf(error))
}
await stop(1)
