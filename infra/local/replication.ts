import { type CellData, coreCommands } from './cell.ts'
import type { InCells } from './cells.ts'
import type { RunCoreCommand } from './keys.ts'
import { step } from './report.ts'
import type { Secrets } from './secrets.ts'

/** They travel for less than a second; the rest is for a busy machine, on which a look takes ten. */
const arrivalMaxMs = 60_000

/**
 * Has the control cell tell the others of all that they follow, and waits until its keys and currencies are known
 * everywhere: a cell that is new has heard of nothing that is older than itself. To be called when the cores are ready.
 * @throws Error that names a cell which they have not reached
 */
export const replicate = async ([control, ...others]: InCells<CellData>, secrets: Secrets): Promise<void> => {
  if (others.length === 0) return
  const run = coreCommands(control, secrets)
  await step(`Keys and currencies reach ${others.map(({ cell }) => cell).join(', ')}`, async () => {
    await run('core/commands/cells.ts', 'replicate')
    const told = await heldBy(run)
    await Promise.all(others.map((own) => untilHeld(own.cell, told, () => heldBy(coreCommands(own, secrets)))))
  })
}

const untilHeld = async (cell: string, told: ReadonlySet<string>, held: () => Promise<ReadonlySet<string>>) => {
  const lastMs = Date.now() + arrivalMaxMs
  // Without a pause: each look starts processes, which take half a second.
  while (!told.isSubsetOf(await held())) {
    if (Date.now() > lastMs)
      throw new Error(`${cell} has not heard of all keys and currencies within ${arrivalMaxMs / 1_000} s`)
  }
}

/** The keys that callers present and the currencies, as a cell knows them: a line for each. */
const heldBy = async (run: RunCoreCommand): Promise<ReadonlySet<string>> => {
  const [keys, currencies] = await Promise.all([
    run('core/commands/keys.ts', 'list', '--json'),
    run('core/commands/currencies.ts', 'list'),
  ])
  const presented = linesOf(keys)
    .map((line) => JSON.parse(line) as { readonly keyId: string; readonly kind: string })
    .filter(({ kind }) => kind !== 'signing')
  return new Set([...presented.map(({ keyId }) => keyId), ...linesOf(currencies)])
}

const linesOf = (printed: string): string[] => printed.trim().split('\n')
