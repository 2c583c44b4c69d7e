import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type CoreProcess, startCoreProcess } from './core-process.ts'
import { startWorld, type World } from './harness.ts'
import { moveCall } from './wallet-calls.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const limit = 4

/** A request whose body never comes, on a connection of its own. Resolves once the core has its head. */
const sendHead = async ({ url }: CoreProcess): Promise<Socket> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await new Promise<void>((resolve) =>
    socket.write('POST /v1/auth/device HTTP/1.1\r\nhost: core\r\ncontent-length: 50\r\n\r\n{', () => resolve()),
  )
  return socket
}

test('whoever sends half a request keeps nobody out, delays no stop, and is told so after ten seconds', async () => {
  const core = await startCoreProcess(world, { CONCURRENCY_MIN: String(limit), CONCURRENCY_MAX: String(limit) })
  onTestFinished(core.stop)
  const { playerId } = await world.signIn()
  const sockets = await Promise.all(Array.from({ length: 3 * limit }, () => sendHead(core)))
  const told = Promise.withResolvers<string>()
  sockets[0]?.on('data', (data) => told.resolve(String(data)))

  const call = () => core.ask(moveCall(world, { playerId, changes: [{ currency: 'coins', amount: 1 }] }))
  // Until the core has all of them.
  for (let time = 0; time < 10; time++) {
    expect((await call()).status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(await told.promise).toMatch(/^HTTP\/1\.1 408 /)

  await sendHead(core)
  const askedAt = performance.now()
  process.kill(core.pid, 'SIGTERM')
  expect(await core.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - askedAt).toBeLessThan(6_000)
})
