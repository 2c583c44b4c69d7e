import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CoreProxy, startCoreProxy } from './core-proxy.ts'
import { type ExtraEdge, startExtraEdge } from './extra-edge.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'

/** What callers who hang up leave behind in an isolate, whose request the runtime ends without a word. */

let world: World
let core: CoreProxy
let edge: ExtraEdge
let player: SignedIn

beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  core = await startCoreProxy(world.coreUrl)
  edge = await startExtraEdge(world, { cores: { [cell]: core.url }, limit: 1_000_000 })
  player = await world.signIn()
})
afterAll(async () => {
  await edge?.stop()
  await core?.stop()
  await world?.stop()
})

/** Long before the core has answered, and long enough after the request for the edge to have asked it. */
const hangUpMs = 25
const coreMs = 60

/** Asks, and hangs up. Resolves to whether that was before the answer. */
const askAndHangUp = (): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const { port, hostname } = new URL(edge.url)
    let isAnswered = false
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET /v1/sessions HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer ${player.accessToken}\r\n\r\n`)
      setTimeout(() => socket.resetAndDestroy(), hangUpMs)
    })
    socket.once('data', () => {
      isAnswered = true
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(!isAnswered))
  })

test('callers who hang up leave their places to others as soon as the core has answered', async () => {
  const client = () => world.client({ bearer: player.accessToken, baseUrl: edge.url })
  await client().listOwnSessions()
  core.delayMs = coreMs
  const hungUp: Promise<boolean>[] = []
  // As many as an isolate has places for, and as many again; at a pace that a core takes well.
  for (let at = 0; at < 448; at++) {
    hungUp.push(askAndHangUp())
    if (at % 10 === 9) await pause(40)
  }
  const answeredLate = await Promise.all(hungUp)
  const reads = await Promise.all(Array.from({ length: 50 }, () => client().listOwnSessions()))
  expect(reads.map(({ status }) => status)).toEqual(Array(50).fill(200))
  const signIns = await Promise.all(
    [1, 2, 3].map(() => client().signInWithDevice({ body: { deviceId: randomUUID() } })),
  )
  expect(signIns.every(({ status }) => status < 300)).toBe(true)
  // Else nothing would have been left behind.
  expect(answeredLate.filter(Boolean).length).toBeGreaterThan(256)
  expect(core.requestsOf('/v1/sessions')).toBeGreaterThan(256)
})
