import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlayerId } from '#contract/ids.ts'
import { sha256 } from '#core/secrets.ts'
import { type Cells, startCells } from './cells.ts'
import { codeOf, eraserOf, makeDue } from './erasing.ts'
import { eventually } from './eventually.ts'
import type { WorldCell } from './world-cell.ts'

const eu = 0
const us = 1

let world: Cells
beforeAll(async () => {
  world = await startCells(['eu1', 'us1'])
})
afterAll(() => world?.stop())

const cellAt = (at: number): WorldCell => world.cells[at] ?? expect.fail('the cell was started')
const operator = (at: number) => world.client(at, world.keys.operator)

const signIn = async (at: number, deviceId: string, restore = false) => {
  const { body } = await world.client(at).signInWithDevice({ body: { deviceId, restore } })
  return { playerId: body.player.id, created: body.created, client: world.client(at, body.accessToken) }
}
/** Whose a device is, as far as a cell has heard. */
const ownerIn = async (at: number, deviceId: string): Promise<PlayerId | null | undefined> => {
  const rows = await cellAt(at).sql<{ player_id: PlayerId | null }[]>`select player_id from credentials
    where credential_hash = ${sha256('device:', deviceId)}`
  return rows[0]?.player_id
}
const erasePlayers = (at: number) => eraserOf(cellAt(at), world).runOnce()

test('an operator at the far edge bans and deletes a player of another cell', async () => {
  const deviceId = randomUUID()
  const { playerId } = await signIn(us, deviceId)
  await operator(eu).banPlayer({ params: { playerId }, body: { reason: 'x' } })
  expect(await codeOf(signIn(eu, deviceId))).toBe('player_banned')
  await operator(eu).deletePlayer({ params: { playerId } })
  await erasePlayers(us)
  const isFree = async () => (await ownerIn(eu, deviceId)) === null && (await ownerIn(us, deviceId)) === null
  await eventually(isFree, 5_000)
  const again = await signIn(eu, deviceId)
  expect([again.created, again.playerId.startsWith('ply_eu1_')]).toEqual([true, true])
})

test('a deletion is taken back from the far edge', async () => {
  const deviceId = randomUUID()
  const { playerId, client } = await signIn(us, deviceId)
  await client.deleteOwnAccount()
  expect(await codeOf(signIn(eu, deviceId))).toBe('deletion_pending')
  expect((await signIn(eu, deviceId, true)).playerId).toBe(playerId)
})

test('with the control cell gone players are banned, leave and are erased, and what they signed in with is released later', async () => {
  const devices = Array.from({ length: 3 }, () => randomUUID()) as [string, string, string]
  const [banned, leaving, removed] = [
    await signIn(us, devices[0]),
    await signIn(us, devices[1]),
    await signIn(us, devices[2]),
  ]
  await cellAt(eu).stopCore()
  await operator(us).banPlayer({ params: { playerId: banned.playerId }, body: { reason: 'x' } })
  expect(await codeOf(signIn(us, devices[0]))).toBe('player_banned')
  await leaving.client.deleteOwnAccount()
  await makeDue(cellAt(us), leaving.playerId)
  await operator(us).deletePlayer({ params: { playerId: removed.playerId } })
  // The cell's own eraser may be the one that does it.
  await erasePlayers(us)
  for (const { playerId } of [leaving, removed])
    expect(await codeOf(operator(us).getPlayerRecord({ params: { playerId } }))).toBe('not_found')
  // Nobody can say that the device is nobody's, and the old player is not to be had again.
  expect(await codeOf(signIn(us, devices[2]))).toBe('unavailable')
  expect(await ownerIn(us, devices[2])).toBe(removed.playerId)

  cellAt(eu).restartCore()
  const areFree = async () => {
    await erasePlayers(us)
    const owners = devices.slice(1).flatMap((deviceId) => [ownerIn(eu, deviceId), ownerIn(us, deviceId)])
    return (await Promise.all(owners)).every((owner) => owner === null)
  }
  await eventually(areFree, 10_000)
  for (const deviceId of devices.slice(1)) expect((await signIn(us, deviceId)).created).toBe(true)
  expect(await erasePlayers(us)).toEqual({ erased: 0, released: 0 })
})
