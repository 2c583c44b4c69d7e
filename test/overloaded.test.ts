import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { type CoreProxy, startCoreProxy } from './core-proxy.ts'
import { failureOf } from './erasing.ts'
import { type ExtraEdge, startExtraEdge } from './extra-edge.ts'
import { cell, type SignedIn, startWorld, type World } from './harness.ts'

/** What callers see of a core that has too much to do. */

/** What the core says of when to come back, seconds. */
const comeBack = '7'

let world: World
let core: CoreProxy
let edge: ExtraEdge
let player: SignedIn

beforeAll(async () => {
  world = await startWorld()
  core = await startCoreProxy(world.coreUrl)
  // Without Upstash nothing vouches for what is held: past its life in memory the core is asked.
  edge = await startExtraEdge(world, { cores: { [cell]: core.url }, upstash: false })
  player = await world.signIn()
})
afterAll(async () => {
  await edge?.stop()
  await core?.stop()
  await world?.stop()
})
afterEach(() => core.be('passing'))

const client = () => world.client({ bearer: player.accessToken, baseUrl: edge.url })

test('a read, a write, a sign-in and a look for what is not held are told so by the core, and when to come back', async () => {
  await client().getWallet()
  await core.be('overloaded')
  const somebody = { playerId: newId('player', cell, Date.now()) }
  for (const call of [
    () => client().getWallet(),
    () => client().updateOwnProfile({ body: { displayName: 'Ada' } }),
    () => client().signInWithDevice({ body: { deviceId: '0123456789abcdef' } }),
    () => client().getProfile({ params: somebody }),
  ]) {
    const { code, status, headers } = await failureOf(call())
    expect([code, status, headers.get('retry-after')]).toEqual(['overloaded', 503, comeBack])
  }
  await core.be('passing')
  expect((await client().getWallet()).status).toBe(200)
})

test('of a cached thing what is held is served instead, for as long as it would be with the core gone', async () => {
  const params = { playerId: player.playerId }
  core.ageMs = getProfile.delivery.staleMs + 1_000
  const before = await client().getProfile({ params })
  core.ageMs = 0
  await core.be('overloaded')
  const after = await client().getProfile({ params })
  expect(after.body).toEqual(before.body)
  expect(after.headers.get('cache-status')).toMatch(/^perigee; hit; ttl=-?\d+; detail=core-unreachable$/)
  expect(Number(after.headers.get('age'))).toBeGreaterThanOrEqual(getProfile.delivery.staleMs / 1_000)
})

test('refusals of a core are written to no log one by one', async () => {
  await core.be('overloaded')
  const before = world.logLines.length
  await failureOf(client().getProfile({ params: { playerId: newId('player', cell, Date.now()) } }))
  const errors = world.logLines.slice(before).filter((line) => line.includes('"severity":"ERROR"'))
  expect(errors).toEqual([])
})
