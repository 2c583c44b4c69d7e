import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PlacedCell, Surroundings } from './cell.ts'
import type { InCells } from './cells.ts'
import type { EdgeOptions } from './edge.ts'
import { bundleEdge } from './edge-bundle.ts'
import { checkout, inLocalFolder, logFileOf } from './local-folder.ts'
import { type Child, startChild, untilReady } from './process.ts'
import { step } from './report.ts'
import type { Services } from './services.ts'

/** workerd starts in less than a second; wrangler, which reads the configuration, in two. */
const readyMaxMs = 30_000
const probeMaxMs = 5_000

/** Bundles the Worker and runs it at `around.edgeUrl`. */
export const startEdgeProcess = async (
  services: Services,
  cells: InCells<PlacedCell>,
  around: Surroundings,
): Promise<void> => {
  const bundleFolder = inLocalFolder('edge')
  await step('Bundle of the Worker', () =>
    bundleEdge({ project: checkout, folder: bundleFolder, logFile: logFileOf('edge-bundle') }),
  )
  const options: EdgeOptions = {
    bundleFolder,
    configPath: join(checkout, 'wrangler.toml'),
    port: Number(new URL(around.edgeUrl).port),
    vars: {
      CELLS: JSON.stringify(Object.fromEntries(cells.map(({ cell, coreUrl, near }) => [cell, { coreUrl, near }]))),
      CONTROL_CELL: cells[0].cell,
      ISSUER: around.edgeUrl,
      UPSTASH_URL: around.upstashUrl,
      UPSTASH_TOKEN: around.secrets.upstashToken,
      EDGE_KEYS: around.secrets.edgeKeys,
      ...(around.collector ? { TRACE_SHARE: '1' } : {}),
    },
  }
  const name = 'edge'
  const start = async (): Promise<Child> => {
    const child = await startChild({
      name,
      command: process.execPath,
      args: [fileURLToPath(new URL('./edge.ts', import.meta.url)), JSON.stringify(options)],
      folder: checkout,
      logFile: logFileOf(name),
    })
    await untilReady(child, readyMaxMs, async () => {
      const keys = `${around.edgeUrl}/.well-known/jwks.json`
      return (await fetch(keys, { signal: AbortSignal.timeout(probeMaxMs) })).status === 200
    })
    return child
  }
  await step('Worker in workerd', () => services.start({ name, essential: true, address: () => around.edgeUrl }, start))
}
