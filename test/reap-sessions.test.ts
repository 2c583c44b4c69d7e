import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import { createReaper } from '#core/reap.ts'
import { createLog } from '#infra/log.ts'
import { cell, startWorld, type World } from './harness.ts'

/** More than a batch, so that the sweep goes on from where it was. */
const each = 700

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

test('a session is forgotten a day after it ended or expired, and none that stands or is in hand', async () => {
  const { playerId, client } = await world.signIn()
  const standing = (await client.listOwnSessions()).body.sessions.map(({ sessionId }) => sessionId)
  const insert = async (state: { revoked: number | null; expires: number }): Promise<string[]> => {
    const ids = Array.from({ length: each }, () => newId('session', cell, Date.now() - Math.floor(Math.random() * 1e9)))
    await world.sql`
      insert into sessions (session_id, player_id, epoch, generation, token_hash, used_at_ms, created_at, expires_at, revoked_at)
      select id, ${playerId}, 0, 0, repeat('0', 64), '{}', now(), now() + ${state.expires} * interval '1 hour',
        now() + ${state.revoked}::float * interval '1 hour'
      from unnest(${ids}::text[]) id`
    return ids
  }
  const [held = '', ...over] = [
    ...(await insert({ revoked: -25, expires: 24 })),
    ...(await insert({ revoked: null, expires: -25 })),
  ]
  standing.push(...((await insert({ revoked: -23, expires: 24 })) as typeof standing))
  standing.push(...((await insert({ revoked: null, expires: 1 })) as typeof standing))
  const left = async () => (await world.sql`select session_id from sessions`).map((row) => row.session_id).sort()

  const reaper = createReaper({
    db: world.database.db,
    log: createLog({ service: 'test' }, () => {}),
    clock: world.clock,
  })
  await world.sql.begin(async (tx) => {
    await tx`select from sessions where session_id = ${held} for update`
    expect(await reaper.runOnce()).toBe(over.length)
    expect(await left()).toEqual([...standing, held].sort())
  })
  expect(await reaper.runOnce()).toBe(1)
  expect(await left()).toEqual([...standing].sort())
})
