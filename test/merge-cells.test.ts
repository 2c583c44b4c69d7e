import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SignInAnswer } from '#contract/auth.ts'
import { CallError } from '#contract/client.ts'
import type { PlayerId } from '#contract/ids.ts'
import { directoryPath } from '#core/directory.ts'
import { sha256 } from '#core/secrets.ts'
import { type Cells, startCells } from './cells.ts'
import { eraserOf } from './erasing.ts'
import { eventually } from './eventually.ts'
import type { WorldCell } from './world-cell.ts'

const names = ['eu1', 'us1'] as const
const control = 0
const follower = 1
/** How long what one cell decides may take to be known in the other, once both are there. */
const heardMaxMs = 10_000

let world: Cells
beforeAll(async () => {
  world = await startCells(names)
})
afterAll(() => world?.stop())

const cellAt = (at: number): WorldCell => world.cells[at] ?? expect.fail('the cell was started')

type Guest = SignInAnswer & { readonly deviceId: string }

const signIn = async (at: number, deviceId: string = randomUUID()): Promise<Guest> => ({
  ...(await world.client(at).signInWithDevice({ body: { deviceId } })).body,
  deviceId,
})

/** Two guests of a cell, of whom both cells know what they sign in with. */
const twoGuests = async (at: number): Promise<readonly [mine: Guest, other: Guest]> => {
  const guests = [await signIn(at), await signIn(at)] as const
  for (const cell of [control, follower])
    for (const { deviceId, player } of guests)
      await eventually(async () => (await holdingOf(cell, deviceId)).playerId === player.id, heardMaxMs)
  return guests
}

const merge = (at: number, mine: Guest, { refreshToken }: Guest) =>
  world.client(at, mine.accessToken).mergeAccounts({ body: { refreshToken } })

/** Whose a device is, as a cell has it. */
const holdingOf = async (at: number, deviceId: string): Promise<{ playerId?: PlayerId; version: number }> => {
  const { sql } = cellAt(at)
  const [row] = await sql`
    select player_id, version::float8 from credentials where credential_hash = ${sha256('device:', deviceId)}`
  return { playerId: row?.player_id, version: row?.version ?? 0 }
}

/** What a core answers to a sign-in that an edge has sent it. */
const askSignIn = async (at: number, deviceId: string) => {
  const response = await cellAt(at).askCore({
    method: 'POST',
    path: '/v1/auth/device',
    principal: { kind: 'client', keyId: 'key_test' },
    body: JSON.stringify({ deviceId }),
  })
  const body = JSON.parse(await response.text())
  return response.ok ? { created: body.created, playerId: body.player.id } : { code: body.code, cell: body.cell }
}

test('a merge needs no control cell: with it gone every way to sign in leads to the one who is left, and back there it is told', async () => {
  const [mine, other] = await twoGuests(follower)
  const before = await holdingOf(control, other.deviceId)
  const core = cellAt(control)
  await core.stopCore()
  try {
    expect((await merge(follower, mine, other)).body.merged).toBe(other.player.id)
    for (const { deviceId } of [mine, other])
      expect(await askSignIn(follower, deviceId)).toEqual({ created: false, playerId: mine.player.id })
    await pause(1_000)
    // Until it has heard it sends the sign-in on to the cell of both, as before.
    expect(await holdingOf(control, other.deviceId)).toEqual(before)
    expect(await askSignIn(control, other.deviceId)).toEqual({ code: 'misdirected', cell: 'us1' })
  } finally {
    core.restartCore()
  }
  const toldMs = await eventually(
    async () => (await holdingOf(control, other.deviceId)).playerId === mine.player.id,
    heardMaxMs,
  )
  const told = await holdingOf(control, other.deviceId)
  expect(told.version).toBeGreaterThan(before.version)
  await eventually(async () => (await holdingOf(follower, other.deviceId)).version === told.version, heardMaxMs)
  expect(await holdingOf(follower, other.deviceId)).toEqual(told)
  expect((await signIn(control, other.deviceId)).player.id).toBe(mine.player.id)
  console.log(`merge-cells: the control cell was told ${Math.round(toldMs)} ms after it was back`)
})

test('the control cell is told of a merge as often as it takes, and what it was told before, or late, changes nothing', async () => {
  const [mine, other] = await twoGuests(follower)
  const before = await holdingOf(control, other.deviceId)
  await merge(follower, mine, other)
  await eventually(async () => (await holdingOf(control, other.deviceId)).version > before.version, heardMaxMs)
  const told = await holdingOf(control, other.deviceId)
  expect(told.playerId).toBe(mine.player.id)
  // As when its answer was lost.
  const response = await cellAt(control).askCore({
    method: 'POST',
    path: directoryPath,
    principal: { kind: 'cell', cell: cellAt(follower).cell },
    body: JSON.stringify({ ask: 'move', from: other.player.id, to: mine.player.id }),
  })
  expect(await response.json()).toEqual({ moved: 0 })
  expect(await holdingOf(control, other.deviceId)).toEqual(told)
})

test('a merge in the control cell is known to the other from then on', async () => {
  const [mine, other] = await twoGuests(control)
  await merge(control, mine, other)
  const decided = await holdingOf(control, other.deviceId)
  expect(decided.playerId).toBe(mine.player.id)
  await eventually(async () => (await holdingOf(follower, other.deviceId)).version === decided.version, heardMaxMs)
  expect(await holdingOf(follower, other.deviceId)).toEqual(decided)
})

test('a sign-in through the far edge right after a merge finds the one who is left, and makes nobody', async () => {
  for (const at of [control, follower]) {
    const [mine, other] = await twoGuests(at)
    await merge(at, mine, other)
    for (const edge of [control, follower]) {
      const { created, player } = await signIn(edge, other.deviceId)
      expect([created, player.id]).toEqual([false, mine.player.id])
    }
  }
})

test('accounts of two cells do not merge, and both go on', async () => {
  const [here, there] = [await signIn(control), await signIn(follower)]
  const error = await merge(control, here, there).catch((thrown: unknown) => thrown)
  if (!(error instanceof CallError)) throw new Error('they have merged')
  expect([error.code, error.problem?.cell]).toEqual(['merge_across_cells', 'us1'])
  expect((await signIn(follower, there.deviceId)).player.id).toBe(there.player.id)
})

/** Does something while the control cell hears of no merge in the other one. */
const unheard = (work: () => Promise<void>) =>
  cellAt(follower).sql.begin(async (tx) => {
    await tx`lock table outbox_leases`
    await work()
  })

test('what is unlinked right after a merge signs nobody in any more, though the control cell hears of the merge later', async () => {
  const [mine, other] = await twoGuests(follower)
  const client = world.client(follower, mine.accessToken)
  await unheard(async () => {
    await merge(follower, mine, other)
    const [, merged] = (await client.listLinks()).body.links
    const { body } = await client.unlink({ params: { provider: 'device' }, query: { linkId: merged?.linkId } })
    expect(body.links).toHaveLength(1)
    expect((await holdingOf(control, other.deviceId)).playerId).toBe(null)
  })
  await pause(1_000)
  for (const at of [control, follower]) expect((await holdingOf(at, other.deviceId)).playerId).toBe(null)
  const { created } = await signIn(follower, other.deviceId)
  expect(created).toBe(true)
})

test('a merged account’s way to sign in counts as one that is left, though the control cell hears of the merge later', async () => {
  const [mine, other] = await twoGuests(follower)
  const client = world.client(follower, mine.accessToken)
  await unheard(async () => {
    await merge(follower, mine, other)
    const [own] = (await client.listLinks()).body.links
    const { body } = await client.unlink({ params: { provider: 'device' }, query: { linkId: own?.linkId } })
    expect(body.links).toHaveLength(1)
  })
  expect((await signIn(follower, other.deviceId)).player.id).toBe(mine.player.id)
})

test('who merges and is erased before the control cell has heard leaves nothing that signs nobody in', async () => {
  const [mine, other] = await twoGuests(follower)
  await unheard(async () => {
    await merge(follower, mine, other)
    const { id: playerId } = mine.player
    await world.client(follower, world.keys.operator).deletePlayer({ params: { playerId } })
    await eraserOf(cellAt(follower), world).runOnce()
  })
  for (const { deviceId } of [mine, other]) {
    await eventually(async () => (await holdingOf(control, deviceId)).playerId === null, heardMaxMs)
    const again = await signIn(follower, deviceId)
    expect(again.created).toBe(true)
    await world.client(follower).refreshSession({ body: { refreshToken: again.refreshToken } })
  }
})

test('a sign-in begins no session for who is no more, also where the cells name two of those', async () => {
  const [mine, other] = await twoGuests(follower)
  const operator = world.client(follower, world.keys.operator)
  for (const { player } of [mine, other]) await operator.deletePlayer({ params: { playerId: player.id } })
  await eraserOf(cellAt(follower), world).runOnce()
  const deviceHash = sha256('device:', mine.deviceId)
  const version = 2 * world.clock()
  for (const [at, { player }] of [
    [control, mine],
    [follower, other],
  ] as const)
    await cellAt(at).sql`update credentials set player_id = ${player.id}, version = ${version}
      where credential_hash = ${deviceHash}`
  expect(await askSignIn(follower, mine.deviceId)).toMatchObject({ code: 'unavailable' })
})
