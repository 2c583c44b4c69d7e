import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEdge } from '#infra/local/edge.ts'
import { freePort } from '#infra/local/ports.ts'
import { edgeBundle } from './edge-bundle.ts'
import { cell, type World } from './harness.ts'

/** Another edge of a world's deployment: it takes the same tokens and keys, and has caches and counters of its own. */
export type ExtraEdge = { readonly url: string; stop(): Promise<void> }

export type ExtraEdgeOptions = {
  /** Cell -> where its core is. The first cell is the control cell. */
  readonly cores: Readonly<Record<string, string>>
  /** False takes the files away that are deployed with the Worker. */
  readonly assets?: boolean
  /** Requests in ten seconds that each caller has, instead of what is deployed. */
  readonly limit?: number
  /** False: no Upstash answers it. */
  readonly upstash?: boolean
}

const project = fileURLToPath(new URL('..', import.meta.url))

export const startExtraEdge = async (world: World, options: ExtraEdgeOptions): Promise<ExtraEdge> => {
  const { cores } = options
  const folder = await mkdtemp(join(tmpdir(), 'perigee-edge-'))
  const port = await freePort()
  const entries = Object.entries(cores).map(([name, coreUrl]) => [name, { coreUrl, near: [] }])
  const edge = await startEdge(
    {
      bundleFolder: await edgeBundle(),
      configPath: await writeConfig(folder, options),
      port,
      vars: {
        CELLS: JSON.stringify(Object.fromEntries(entries)),
        CONTROL_CELL: Object.keys(cores)[0] ?? cell,
        ISSUER: world.edgeUrl,
        UPSTASH_URL: options.upstash === false ? `http://127.0.0.1:${await freePort()}` : world.upstash.url,
        UPSTASH_TOKEN: 'test-token',
        EDGE_KEYS: world.secrets.edgeKeys,
      },
    },
    (line) => world.logLines.push(line),
  )
  const stop = async () => {
    await edge.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { url: edge.url, stop }
}

/** What is deployed, but for what the options say. A path in it is one of this project. */
const writeConfig = async (folder: string, { assets = true, limit }: ExtraEdgeOptions): Promise<string> => {
  const text = await readFile(join(project, 'wrangler.toml'), 'utf8')
  const config = text
    .replace(/^(main|directory) = "(.+)"$/gm, (_, name, path) => `${name} = "${join(project, path)}"`)
    .replace(/^\[assets\]\n(.+\n)+/m, (section) => (assets ? section : ''))
    .replace(/limit = \d+/g, (deployed) => (limit === undefined ? deployed : `limit = ${limit}`))
  const path = join(folder, 'wrangler.toml')
  await writeFile(path, config)
  return path
}

/** A server that stands where a core would. */
export type StandIn = { readonly url: string; stop(): Promise<void> }

export const startStandIn = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<StandIn> => {
  const server = createServer(answer)
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const stop = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }
  return { url: `http://127.0.0.1:${port}`, stop }
}

export const isDocument = ({ url = '' }: IncomingMessage): boolean => url.startsWith('/internal/documents/')

/** Hands a request for a document to the real core, signature and all. */
export const passDocument = async (world: World, request: IncomingMessage, response: ServerResponse) => {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    typeof value === 'string' && !['host', 'connection', 'content-length'].includes(name)
      ? [[name, value] as [string, string]]
      : [],
  )
  const answer = await fetch(world.coreUrl + request.url, { headers })
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
}
