import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { cellOf, cellSchema, newId } from '#contract/ids.ts'
import { deviceCredentialOf, emailCredentialOf } from '#core/auth/credential.ts'
import { type Cells, startCells } from './cells.ts'
import { createCountedDerive } from './counted-derive.ts'
import { eventually } from './eventually.ts'
import { addressOf } from './valid-call.ts'
import type { WorldCell } from './world-cell.ts'

/** The first is the control cell. */
const names = ['eu1', 'us1'] as const
const eu = 0
const us = 1
const heardMaxMs = 5_000

const hashes = createCountedDerive()

let world: Cells
beforeAll(async () => {
  world = await startCells(names, { derive: hashes.derive })
})
afterAll(() => world?.stop())

type Body = Parameters<ReturnType<Cells['client']>['signInWithEmail']>[0]['body']
const signIn = async (at: number, body: Body) => (await world.client(at).signInWithEmail({ body })).body
const cellAt = (at: number): WorldCell => world.cells[at] ?? expect.fail('the cell was started')
const newAddress = () => addressOf(randomUUID())
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'served',
    (error: unknown) => (error instanceof CallError ? error.code : expect.fail(String(error))),
  )
const heard = (at: number, { email }: Body) =>
  eventually(async () => {
    const { credentialHash } = emailCredentialOf(email)
    const rows = await cellAt(at).sql`select from credentials where credential_hash = ${credentialHash}`
    return rows.length === 1
  }, heardMaxMs)

test('an address opens its account from every edge, and its password is looked at where the player is at home', async () => {
  for (const [home, far] of [
    [eu, us],
    [us, eu],
  ] as const) {
    const body = newAddress()
    const { player } = await signIn(home, body)
    expect(cellOf(player.id)).toBe(names[home])
    await heard(far, body)
    hashes.count = 0
    expect((await signIn(far, { ...body, create: false })).player.id).toBe(player.id)
    expect(await codeOf(signIn(far, { ...body, password: 'not the phrase it is' }))).toBe('credential_invalid')
    expect(hashes.count).toBe(2)
    const { credentialHash } = emailCredentialOf(body.email)
    expect(await cellAt(far).sql`select from passwords where credential_hash = ${credentialHash}`).toHaveLength(0)
  }
})

test('of first sign-ups in two cells at once one makes the account, and its password alone opens it', async () => {
  for (let round = 0; round < 10; round++) {
    const { email } = newAddress()
    const bodies = [eu, us].map((at) => ({ email, password: `the phrase of cell ${at}` }))
    const outcomes = await Promise.all(bodies.map((body, at) => codeOf(signIn(at, body))))
    expect(outcomes.toSorted()).toEqual(['credential_invalid', 'served'])
    const winner = outcomes.indexOf('served')
    for (const at of [eu, us]) {
      const opened = await Promise.all(bodies.map((body) => codeOf(signIn(at, { ...body, create: false }))))
      expect(opened.indexOf('served')).toBe(winner)
      expect(opened.filter((code) => code === 'served')).toHaveLength(1)
    }
  }
})

test('a sign-up that a crash cut short after the claim is finished by the next, who sets the password', async () => {
  const body = newAddress()
  const playerId = newId('player', cellSchema.parse(names[us]), Date.now())
  const { credentialHash } = emailCredentialOf(body.email)
  for (const { sql } of world.cells)
    await sql`insert into credentials (provider, credential_hash, player_id, version, created_at)
      values ('email', ${credentialHash}, ${playerId}, 1, now())`
  expect(await codeOf(signIn(eu, { ...body, create: false }))).toBe('credential_invalid')
  const made = await signIn(eu, body)
  expect([made.created, made.player.id]).toEqual([true, playerId])
  expect(await codeOf(signIn(us, { ...body, password: 'another lasting phrase' }))).toBe('credential_invalid')
  expect((await signIn(us, body)).player.id).toBe(playerId)
})

/** A guest at home in the cell that follows, with an address beside the device. */
const makeGuest = async () => {
  const deviceId = randomUUID()
  const address = newAddress()
  const { body } = await world.client(us).signInWithDevice({ body: { deviceId } })
  const client = world.client(us, body.accessToken)
  await client.linkEmail({ body: address })
  return { deviceId, address, client, playerId: body.player.id }
}

test('what is linked and unlinked far from the control cell is so everywhere', async () => {
  const { address, client, playerId } = await makeGuest()
  expect((await signIn(eu, address)).player.id).toBe(playerId)
  await client.unlink({ params: { provider: 'email' }, query: {} })
  const next = await signIn(eu, address)
  expect([next.created, cellOf(next.player.id)]).toEqual([true, 'eu1'])
  expect(await codeOf(client.linkEmail({ body: address }))).toBe('credential_taken')
})

test('what is left must be the player’s by the control cell’s word, not by a copy that has not heard', async () => {
  const { deviceId, client } = await makeGuest()
  const { credentialHash } = deviceCredentialOf(deviceId)
  // As after an answer of the control cell that was lost.
  await cellAt(eu)
    .sql`update credentials set player_id = null, version = version + 1 where credential_hash = ${credentialHash}`
  const unlink = () => codeOf(client.unlink({ params: { provider: 'email' }, query: {} }))
  expect(await unlink()).toBe('last_credential')
  expect((await client.listLinks()).body.links.map(({ provider }) => provider)).toEqual(['email'])
})

test('with the control cell gone a password opens its account, and refusals still do not tell who has one', async () => {
  const body = newAddress()
  const { player } = await signIn(us, body)
  await cellAt(eu).stopCore()
  try {
    expect((await signIn(us, body)).player.id).toBe(player.id)
    const wrong = { password: 'not the phrase it is', create: false }
    expect(await codeOf(signIn(us, { ...body, ...wrong }))).toBe('unavailable')
    expect(await codeOf(signIn(us, { ...newAddress(), ...wrong }))).toBe('unavailable')
  } finally {
    cellAt(eu).restartCore()
  }
})
