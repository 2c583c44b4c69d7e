import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bundleEdge } from '#infra/local/edge-bundle.ts'

/**
 * `node test/worker-start.ts`: what the Worker weighs and how long it takes to start. It runs before the tests, because the
 * profile also counts what else the machine does meanwhile; for the same reason the least of several starts is what counts.
 */
/** A thirtieth of what Cloudflare takes of the smallest plan; an isolate that starts reads all of it. */
const gzipBytesMax = 110_000
/**
 * A tenth of what Cloudflare takes, on whatever machine this runs: how much there is to start is bound by the weight.
 * @see https://developers.cloudflare.com/workers/platform/limits/
 */
const startMaxMs = 100
const startsMax = 10

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'perigee-start-'))

/** Milliseconds of CPU until the Worker can answer, as wrangler profiles it in workerd. */
const measureStart = async (): Promise<number> => {
  const env = { ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false' }
  const wrangler = join(project, 'node_modules/.bin/wrangler')
  const args = ['check', 'startup', '--outfile', join(folder, 'start.cpuprofile')]
  const { stdout } = await run(wrangler, args, { cwd: project, env, timeout: 60_000 })
  const active = /Active: ([\d.]+) ms/.exec(stdout)?.[1]
  if (active === undefined) throw new Error(`wrangler reported no start that can be read:\n${stdout}`)
  return Number(active)
}

try {
  const { gzipBytes } = await bundleEdge({ project, folder: join(folder, 'edge') })
  const measured: number[] = []
  let least = Number.POSITIVE_INFINITY
  while (least >= startMaxMs && measured.length < startsMax) {
    measured.push(await measureStart())
    least = Math.min(...measured)
  }
  const kilobytes = (gzipBytes / 1_000).toFixed(1)
  console.log(
    `the Worker: ${kilobytes} KB compressed (bound ${gzipBytesMax / 1_000}); starts with ${measured.join(', ')} ms of CPU (bound ${startMaxMs})`,
  )
  if (gzipBytes >= gzipBytesMax || least >= startMaxMs) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
