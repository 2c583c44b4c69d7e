import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey } from '#core/api-keys.ts'
import { type Cells, startCells } from './cells.ts'
import { eventually } from './eventually.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
/** The demo waits for an invalidation, and this machine does other things too. */
const demoMaxMs = 60_000

let world: Cells
let homeKey: string
beforeAll(async () => {
  world = await startCells(['eu1', 'us1'])
  const [control, other] = world.cells
  if (!control || !other) throw new Error('two cells were started')
  const given = { kind: 'publishable', name: 'smoke us1', origins: [], scopes: [], role: undefined } as const
  const at = { cell: control.cell, now: new Date(world.clock()) }
  homeKey = (await createApiKey(control.database.db, { ...given, homeCell: other.cell, ...at })).key
  await eventually(async () => (await other.sql`select from api_keys where home_cell = 'us1'`).length === 1, 10_000)
})
afterAll(() => world?.stop())

/** Plays through an edge that is nearest to `eu1` and knows every key, as a pipeline does that runs in one place. */
const demo = async (publishableKey: string, cell: string): Promise<{ code: number; output: string }> => {
  const edge = await world.startEdge(0)
  const keys = ['--publishable-key', publishableKey, '--server-key', world.keys.server]
  const args = ['test/demo.ts', '--url', edge.url, ...keys, '--cell', cell]
  const played = await new Promise<{ code: number; output: string }>((resolve) =>
    execFile(process.execPath, args, { cwd: project, timeout: demoMaxMs }, (error, stdout, stderr) =>
      resolve({ code: error ? 1 : 0, output: stdout + stderr }),
    ),
  )
  await edge.stop()
  return played
}

test('with a key that has a home the demo plays in that cell from anywhere, and leaves nobody behind', async () => {
  const { code, output } = await demo(homeKey, 'us1')
  expect(code, output).toBe(0)
  expect(output).toContain('Everything is as it should be.')
  const leaving = await Promise.all(
    world.cells.map(async ({ sql }) => (await sql`select delete_at from players`).map((row) => row.delete_at !== null)),
  )
  expect(leaving).toEqual([[], [true, true]])
}, 90_000)

test('the demo fails when its players live in another cell than the one that was to be tried', async () => {
  const { code, output } = await demo(world.keys.publishable, 'us1')
  expect(code).toBe(1)
  expect(output).toContain('lives in us1; it is eu1')
}, 90_000)
