import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '#infra/local/ports.ts'
import { startChild, untilReady } from '#infra/local/process.ts'
import type { Cleanup } from './cleanup.ts'

const readyMaxMs = 10_000

/** Starts a collector beside us; answers with what a core is told so that it reports to it, everything else being as it comes. */
export const startCollectorProcess = async (
  folder: string,
  cleanup: Cleanup,
): Promise<Readonly<Record<string, string>>> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = await startChild({
    name: 'the collector',
    command: process.execPath,
    args: [fileURLToPath(new URL('./collector-main.ts', import.meta.url))],
    env: { PATH: process.env.PATH, PORT: String(port) },
    logFile: join(folder, 'collector.log'),
  })
  cleanup.add(() => child.stop())
  await untilReady(child, readyMaxMs, async () => (await fetch(url, { method: 'POST' })).ok)
  return { OTEL_EXPORTER_OTLP_ENDPOINT: url }
}
