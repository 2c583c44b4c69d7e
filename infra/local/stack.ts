import { coreCommands, startCellData, startCore } from './cell.ts'
import { startEdgeProcess } from './edge-process.ts'
import { forgetLocalKeys, type LocalKeys, localKeys, type RunCoreCommand } from './keys.ts'
import type { DevState } from './local-folder.ts'
import { step } from './report.ts'
import { localSecrets } from './secrets.ts'
import type { Services } from './services.ts'
import { startPubSub, startUpstashProcess } from './shared-services.ts'

export type Stack = { readonly keys: LocalKeys; readonly state: DevState }

/** The cells of the local stack and the continents, as Cloudflare names them, that each is nearest to. */
export const localCells = [{ cell: 'eu1', near: ['EU', 'AF', 'AS', 'NA', 'SA', 'OC', 'AN'] }] as const

/** What a core takes where it is told nothing else. */
const localEvents = { project: 'perigee-local', topic: `${process.env.PUBSUB_PREFIX || 'perigee'}-events` }

/** Currencies to try things with; a title declares its own. The caps are those of a soft and of a hard currency. */
const currencies = [
  ['coins', '1000000000'],
  ['gems', '1000000'],
] as const

/**
 * Starts everything, in the order in which one thing needs another.
 * @param services takes what is started, also when a later step fails
 * @throws Error that says which step failed, with the end of its log
 */
export const startStack = async (services: Services, edgePort: number): Promise<Stack> => {
  const secrets = localSecrets()
  const [control] = localCells
  const data = await startCellData(services, control.cell)
  const pubSubHost = await startPubSub(services)
  const upstashUrl = await startUpstashProcess(services, secrets)

  if (data.created) forgetLocalKeys()
  const keys = await step('Keys and currencies', () => prepare(coreCommands(data, secrets)))

  const edgeUrl = `http://127.0.0.1:${edgePort}`
  const around = { secrets, edgeUrl, upstashUrl, pubSubHost }
  const coreUrl = await startCore(services, data, around)
  await startEdgeProcess(services, [{ ...control, coreUrl }], around)

  const pids = Object.fromEntries(services.list().map(({ name, child }) => [name, child.pid]))
  const state: DevState = {
    edgeUrl,
    cells: { [control.cell]: { coreUrl, databaseUrl: data.databaseUrl } },
    ...(pubSubHost === undefined ? {} : { pubSub: { host: pubSubHost, ...localEvents } }),
    publishableKey: keys.publishable,
    serverKey: keys.server,
    operatorKey: keys.operator,
    pids: { dev: process.pid, ...pids },
  }
  return { keys, state }
}

const prepare = async (run: RunCoreCommand): Promise<LocalKeys> => {
  await Promise.all([
    run('core/commands/keys.ts', 'create', 'signing', '--if-none'),
    ...currencies.map(([code, cap]) => run('core/commands/currencies.ts', 'declare', code, '--cap', cap)),
  ])
  return localKeys(run)
}
