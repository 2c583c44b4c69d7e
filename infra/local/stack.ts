import { type CellData, coreCommands, startCellData, startCore } from './cell.ts'
import { type InCells, inCells, type LocalCell } from './cells.ts'
import type { Collector } from './collector.ts'
import { startEdgeProcess } from './edge-process.ts'
import { forgetLocalKeys, type LocalKeys, localKeys } from './keys.ts'
import type { DevState } from './local-folder.ts'
import { freePort } from './ports.ts'
import { replicate } from './replication.ts'
import { step } from './report.ts'
import { localSecrets, type Secrets } from './secrets.ts'
import type { Services } from './services.ts'
import { startPubSub, startUpstashProcess } from './shared-services.ts'

export type Stack = { readonly keys: LocalKeys; readonly state: DevState }

/** What a core takes where it is told nothing else. */
const localEvents = { project: 'perigee-local', topic: `${process.env.PUBSUB_PREFIX || 'perigee'}-events` }

/** Currencies to try things with; a title declares its own. The caps are those of a soft and of a hard currency. */
const currencies = [
  ['coins', '1000000000'],
  ['gems', '1000000'],
] as const

/**
 * Starts everything, in the order in which one thing needs another; cells beside each other.
 * @param collector gets every span of every request; absent: telemetry is as the environment has it
 * @param services takes what is started, also when a later step fails
 * @throws Error that says which step failed, with the end of its log
 */
export const startStack = async (
  services: Services,
  cells: InCells<LocalCell>,
  { edgePort, collector }: { readonly edgePort: number; readonly collector: Collector | undefined },
): Promise<Stack> => {
  const secrets = localSecrets()
  const data = await inCells(cells, (cell) => startCellData(services, cell))
  const pubSubHost = await startPubSub(services)
  const upstashUrl = await startUpstashProcess(services, secrets)

  const keys = await step('Keys and currencies', () => prepare(data, secrets))

  const edgeUrl = `http://127.0.0.1:${edgePort}`
  const around = { secrets, edgeUrl, upstashUrl, pubSubHost, collector }
  // All cores are told of all addresses, so these are chosen before the first starts.
  const placed = await inCells(data, async (own) => ({ ...own, coreUrl: `http://127.0.0.1:${await freePort()}` }))
  await inCells(placed, (own) => startCore(services, own, { cells: placed, around }))
  await Promise.all([replicate(data, secrets), startEdgeProcess(services, placed, around)])

  const pids = Object.fromEntries(services.list().map(({ name, child }) => [name, child.pid]))
  const state: DevState = {
    edgeUrl,
    controlCell: placed[0].cell,
    cells: Object.fromEntries(
      placed.map(({ cell, coreUrl, databaseUrl, near }) => [cell, { coreUrl, databaseUrl, near }]),
    ),
    ...(pubSubHost === undefined ? {} : { pubSub: { host: pubSubHost, ...localEvents } }),
    publishableKey: keys.publishable,
    serverKey: keys.server,
    operatorKey: keys.operator,
    pids: { dev: process.pid, ...pids },
  }
  return { keys, state }
}

/** Each cell signs tokens with a key of its own; all else is made in the control cell, which tells the others of it. */
const prepare = async (cells: InCells<CellData>, secrets: Secrets): Promise<LocalKeys> => {
  const [control] = cells
  const run = coreCommands(control, secrets)
  if (control.created) forgetLocalKeys(control.cell)
  await Promise.all([
    ...cells.map((own) => coreCommands(own, secrets)('core/commands/keys.ts', 'create', 'signing', '--if-none')),
    ...currencies.map(([code, cap]) => run('core/commands/currencies.ts', 'declare', code, '--cap', cap)),
  ])
  return localKeys(control.cell, run)
}
