import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCommand } from './command.ts'

export type EdgeBundleOptions = {
  /** The folder that holds `wrangler.toml`. */
  readonly project: string
  /** Takes `main.js`; made where it is absent. */
  readonly folder: string
  /** Another Worker than that of `wrangler.toml`, by its path in the project; `name.ts` becomes `name.js`. */
  readonly entry?: string
  readonly logFile?: string
}

/** As wrangler reports them, in bytes: what it would upload, and the same compressed, which Cloudflare limits. */
export type EdgeBundle = { readonly bytes: number; readonly gzipBytes: number }

/** Bundling takes 2-4 s; the rest is for a machine that does other things too. */
const bundleMaxMs = 60_000

/**
 * Where wrangler would otherwise look for news, send statistics, ask a person, or write a log below the home folder.
 */
const offline = (folder: string): NodeJS.ProcessEnv => ({
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: join(folder, 'wrangler.log'),
  CI: 'true',
  NO_COLOR: '1',
})

/**
 * Bundles the Worker as a deployment would, assets included, and uploads nothing.
 * @throws Error with what wrangler printed, when it fails or takes more than a minute
 */
export const bundleEdge = async ({ project, folder, entry, logFile }: EdgeBundleOptions): Promise<EdgeBundle> => {
  const printed = await runCommand({
    name: 'wrangler',
    command: process.execPath,
    args: [wranglerProgram(), 'deploy', ...(entry === undefined ? [] : [entry]), '--dry-run', '--outdir', folder],
    folder: project,
    // The build command in wrangler.toml says `node`: it must be this one, which runs TypeScript.
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, ...offline(folder) },
    maxMs: bundleMaxMs,
    ...(logFile === undefined ? {} : { logFile }),
  })
  const [, size, sizeUnit, gzip, gzipUnit] = /Total Upload: ([\d.]+) (\w+) \/ gzip: ([\d.]+) (\w+)/.exec(printed) ?? []
  return { bytes: toBytes(size, sizeUnit), gzipBytes: toBytes(gzip, gzipUnit) }
}

const wranglerProgram = (): string => {
  const require = createRequire(import.meta.url)
  return join(dirname(require.resolve('wrangler/package.json')), 'bin', 'wrangler.js')
}

const units: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 * 1024 }

/** @throws Error where wrangler's report has another form than the one that was known when this was written */
const toBytes = (amount: string | undefined, unit: string | undefined): number => {
  const factor = units[unit ?? '']
  if (amount === undefined || factor === undefined) throw new Error('wrangler reported no size that can be read')
  return Math.round(Number(amount) * factor)
}
