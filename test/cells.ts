import { type Client, createClient } from '#contract/client.ts'
import { cellSchema } from '#contract/ids.ts'
import { routes } from '#contract/routes.ts'
import { tellEverything } from '#core/tell-everything.ts'
import { freePort } from '#infra/local/ports.ts'
import { checkedFetch } from './checked-fetch.ts'
import { type Clock, createStops, startDeployment, startEdgeOf } from './deployment.ts'
import { eventually } from './eventually.ts'
import type { World } from './harness.ts'
import { type CellOptions, makeContent, startCell, type WorldCell } from './world-cell.ts'

/** Whose tokens they are, whichever edge is asked. */
const issuer = 'https://perigee.example'

/** Two or more cells of one deployment, and beside each an edge that is nearest to it. */
export type Cells = {
  /** In the order in which they were named; the first is the control cell. */
  readonly cells: readonly WorldCell[]
  readonly edges: readonly string[]
  readonly clock: Clock
  readonly keys: World['keys']
  readonly secrets: World['secrets']
  readonly logLines: string[]
  /** A caller through the edge beside a cell, or through another one. */
  client(at: number, bearer?: string, baseUrl?: string): Client<typeof routes>
  /** Another edge beside a cell, which knows nothing yet. */
  startEdge(at: number): Promise<{ readonly url: string; stop(): Promise<void> }>
  stop(): Promise<void>
}

/** Starts a deployment of several cells. Resolves when all of them have heard of the control cell's keys and currencies. */
export const startCells = async (names: readonly string[], options: CellOptions = {}): Promise<Cells> => {
  const { stops, stop } = createStops()
  const cores: Record<string, string> = {}
  for (const name of names) cores[name] = `http://127.0.0.1:${await freePort()}`
  const deployment = await startDeployment(options, { edgeUrl: issuer, cores })
  const { clock, logLines, masterKeys, edgeKeys } = deployment
  stops.push(() => deployment.upstash.close())

  const cells: WorldCell[] = []
  for (const name of names) {
    const started = await startCell(cellSchema.parse(name), deployment, options)
    stops.push(started.stop)
    cells.push(started)
  }
  const [control] = cells
  if (!control) throw new Error('a deployment has a cell')
  const keys = await makeContent(control, clock)
  const { db } = control.database
  const told = await tellEverything(db, { cell: control.cell, now: new Date(clock()) })
  for (const { sql } of cells) {
    const hasAll = async () => {
      const [row] =
        await sql`select (select count(*) from api_keys)::int + (select count(*) from currencies)::int as known`
      return row?.known === told
    }
    await eventually(hasAll, 10_000)
  }
  const startEdge = async (near: string) => startEdgeOf(deployment, { near, port: await freePort() })
  const edges: string[] = []
  for (const near of names) {
    const edge = await startEdge(near)
    stops.push(() => edge.stop())
    edges.push(edge.url)
  }
  return {
    cells,
    edges,
    clock,
    keys,
    secrets: { masterKeys, edgeKeys },
    logLines,
    startEdge: (at) => startEdge(names[at] ?? ''),
    client: (at, bearer, baseUrl = edges[at] ?? '') =>
      createClient(routes, {
        baseUrl,
        fetch: checkedFetch,
        publishableKey: keys.publishable,
        bearer: () => bearer,
      }),
    stop,
  }
}
