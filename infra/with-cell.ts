import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readSecret } from './deploy/secrets.ts'
import { type CellOutput, namedCell, readCellOutput } from './way-in/cell-output.ts'
import { ensureMachine } from './way-in/machine.ts'
import { openTunnel } from './way-in/tunnel.ts'

const usage = `Runs a command against the database of a cell, which has no address outside of its network.

  npm run with-cell -- CELL -- COMMAND…        such as: npm run with-cell -- eu1 -- npm run keys -- list
                       --zone Z                of the machine that it goes through; zone b of the cell's region where it is not given
                       --hours N               after which that machine deletes itself; 2 where it is not given
                       --outputs FILE          what terraform output -json printed, where there is no state here
                       --project P --region R  instead of outputs, where there are none yet; with --name N where that is not perigee, and
                       --control C             where the control cell is another one

The command runs here and gets CELL, CONTROL_CELL, DATABASE_URL and MASTER_KEYS; nothing of it is written down. Options stand before
the cell's --. Needs terraform (initialised in terraform/platform), and gcloud as somebody who may make machines, go through
Identity-Aware Proxy and read the cell's secrets. Ends with the exit code of the command.`

const checkout = fileURLToPath(new URL('..', import.meta.url))

const tell = (line: string): void => console.error(line)

const parse = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      zone: { type: 'string' },
      hours: { type: 'string', default: '2' },
      outputs: { type: 'string' },
      project: { type: 'string' },
      region: { type: 'string' },
      name: { type: 'string', default: 'perigee' },
      control: { type: 'string' },
    },
  })
  const [cell, command, ...args] = positionals
  if (cell === undefined || command === undefined) throw new Error(usage)
  const hours = Number(values.hours)
  if (!Number.isInteger(hours) || hours < 1 || hours > 24)
    throw new Error(`--hours is a whole number from 1 to 24\n\n${usage}`)
  return { ...values, hours, cell, command, args }
}

const main = async (): Promise<number> => {
  const given = parse()
  const { cell, command, args, zone, hours } = given
  const output = await placeOf(given)
  // One after the other: gcloud locks its own credentials.
  const url = new URL(await readSecret(output.databaseUrl))
  const masterKeys = await readSecret(output.masterKeys)
  const machine = await ensureMachine(output, { zone: zone ?? `${output.region}-b`, hours, tell })
  const tunnel = await openTunnel(machine, { host: url.hostname, port: Number(url.port || 5_432) })
  url.hostname = '127.0.0.1'
  url.port = String(tunnel.port)
  tell(`${cell} through ${machine.name}: ${[command, ...args].join(' ')}`)
  try {
    return await runHere(command, args, {
      ...{ CELL: cell, CONTROL_CELL: output.controlCell, DATABASE_URL: url.href, MASTER_KEYS: masterKeys },
    })
  } finally {
    tunnel.close()
  }
}

const placeOf = ({
  cell,
  outputs,
  name,
  control = cell,
  ...given
}: ReturnType<typeof parse>): Promise<CellOutput> | CellOutput => {
  if (given.project === undefined) return readCellOutput(cell, { file: outputs, folder: checkout })
  if (given.region === undefined) throw new Error(`--project goes with --region\n\n${usage}`)
  return namedCell(cell, { project: given.project, region: given.region, deployment: name, controlCell: control })
}

let running: ChildProcess | undefined

/** Runs the command with this terminal as its own, and answers with its exit code. */
const runHere = (command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
    running = child
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })

/** As shells tell of a program that a signal has ended. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** The command, once it runs, says how a signal ends it. Until then this process ends, and not by the signal: what it opened is closed. */
const endBySignals = (): void => {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (!running) process.exit(codes[signal])
      // Of the terminal's own the command hears too.
      if (signal !== 'SIGINT') running.kill(signal)
    })
}

endBySignals()
try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
