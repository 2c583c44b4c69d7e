import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cells, startCells } from './cells.ts'
import { codeOf } from './erasing.ts'

const follower = 1
/** More than there are connections for transactions, which are five in a test. */
const unlinks = 12
/** Those that go on, and those that stand in line. */
const takenOn = 10

let world: Cells
beforeAll(async () => {
  world = await startCells(['eu1', 'us1'])
})
afterAll(() => world?.stop())

const signIn = async () => {
  const { body } = await world.client(follower).signInWithDevice({ body: { deviceId: randomUUID() } })
  return world.client(follower, body.accessToken)
}

/** Does something while the control cell takes connections and requests, and answers none. */
const whileSilent = async (work: () => Promise<void>): Promise<void> => {
  const core = world.cells[0] ?? expect.fail('the cell was started')
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {})))
  await core.stopCore()
  await new Promise<void>((resolve) => silent.listen(Number(new URL(core.coreUrl).port), '127.0.0.1', resolve))
  try {
    await work()
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
    core.restartCore()
  }
}

test('unlinks that wait for a silent control cell leave the connections to what can be done without it', async () => {
  const players = await Promise.all(Array.from({ length: unlinks }, signIn))
  const other = await signIn()
  for (const client of players) await client.linkDevice({ body: { deviceId: randomUUID() } })
  const linkIds = await Promise.all(players.map(async (client) => (await client.listLinks()).body.links[0]?.linkId))
  await whileSilent(async () => {
    const outcomes = players.map((client, at) =>
      codeOf(client.unlink({ params: { provider: 'device' }, query: { linkId: linkIds[at] } })),
    )
    // The last of them has come by the time that the first is refused, because the line is full.
    let settled = 0
    for (const outcome of outcomes) void outcome.then(() => settled++)
    expect(await Promise.race(outcomes)).toBe('unavailable')
    await other.logOut({ body: {} })
    // Those whom the full line refused, and none that has waited for the control cell.
    expect(settled).toBeLessThanOrEqual(unlinks - takenOn)
    for (const outcome of await Promise.all(outcomes)) expect(['unavailable', 'deadline_exceeded']).toContain(outcome)
  })
})
