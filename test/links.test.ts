import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import type { PlayerId } from '#contract/ids.ts'
import { linksMax } from '#contract/links.ts'
import { deviceCredentialOf, emailCredentialOf } from '#core/auth/credential.ts'
import { lockPlayer } from '#db/players.ts'
import { createCountedDerive } from './counted-derive.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { meet, releasedAtOnce, untilMet } from './locks.ts'
import { addressOf, newIdToken } from './valid-call.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ derive: createCountedDerive().derive })
})
afterAll(() => world?.stop())

const newDevice = () => ({ deviceId: randomUUID() })
const newAddress = () => addressOf(randomUUID())

/** The id of whoever is signed in, or the code of the refusal. */
const playerOf = async (call: Promise<{ body: { player: { id: PlayerId } } }>): Promise<string> => {
  const answer = await call.catch(codeOf)
  return typeof answer === 'string' ? answer : answer.body.player.id
}
const codeOf = (error: unknown): string => {
  if (error instanceof CallError) return error.code
  throw error
}
const outcomeOf = (call: Promise<unknown>): Promise<string> => call.then(() => 'served', codeOf)
const providersOf = async ({ client }: SignedIn) =>
  (await client.listLinks()).body.links.map(({ provider }) => provider)

test('a guest who links an address, Google, Apple, an issuer and another device is signed in by each', async () => {
  const guest = await world.signIn()
  const [address, device] = [newAddress(), newDevice()]
  const [google, apple, custom] = [newIdToken(world), newIdToken(world), newIdToken(world)]
  const { client, playerId } = guest
  await client.linkEmail({ body: address })
  await client.linkGoogle({ body: { idToken: google } })
  await client.linkApple({ body: { idToken: apple } })
  await client.linkCustom({ body: { provider: 'test', idToken: custom } })
  await client.linkDevice({ body: device })
  expect((await providersOf(guest)).toSorted()).toEqual(['apple', 'device', 'device', 'email', 'google', 'test'])
  const app = world.client()
  for (const call of [
    () => app.signInWithEmail({ body: { ...address, create: false } }),
    () => app.signInWithGoogle({ body: { idToken: google, create: false } }),
    () => app.signInWithApple({ body: { idToken: apple, create: false } }),
    () => app.signInWithCustom({ body: { provider: 'test', idToken: custom, create: false } }),
    () => app.signInWithDevice({ body: { ...device, create: false } }),
  ])
    expect(await playerOf(call())).toBe(playerId)
})

test('what is linked already is answered the same, once or by ten at once, and is there once', async () => {
  const guest = await world.signIn()
  const [device, address, idToken] = [newDevice(), newAddress(), newIdToken(world)]
  const calls = [
    () => guest.client.linkDevice({ body: device }),
    () => guest.client.linkGoogle({ body: { idToken } }),
    () => guest.client.linkEmail({ body: address }),
  ]
  for (const call of calls) {
    const answers = await Promise.all(Array.from({ length: 3 }, call))
    const { body } = await call()
    for (const answer of answers) expect(answer.body).toEqual(body)
  }
  expect((await providersOf(guest)).toSorted()).toEqual(['device', 'device', 'email', 'google'])
})

test('another’s credential is refused, names nobody, and stays theirs', async () => {
  const [owner, thief] = [await world.signIn(), await world.signIn()]
  const address = newAddress()
  const idToken = newIdToken(world)
  await owner.client.linkEmail({ body: address })
  await owner.client.linkApple({ body: { idToken } })
  const refusals = []
  for (const call of [
    () => thief.client.linkEmail({ body: { ...address, password: 'a phrase of the thief' } }),
    () => thief.client.linkEmail({ body: address }),
    () => thief.client.linkApple({ body: { idToken } }),
  ]) {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!(error instanceof CallError)) throw new Error('it was linked')
    expect([error.status, error.code]).toEqual([409, 'credential_taken'])
    refusals.push(JSON.stringify({ ...error.problem, requestId: undefined }))
  }
  expect(new Set(refusals).size).toBe(1)
  expect(refusals[0]).not.toContain('ply_')
  expect(await providersOf(thief)).toEqual(['device'])
  expect(await playerOf(world.client().signInWithEmail({ body: address }))).toBe(owner.playerId)
})

test('of two who link the same at once one has it', async () => {
  for (let round = 0; round < 5; round++) {
    const players = [await world.signIn(), await world.signIn()]
    const idToken = newIdToken(world)
    const outcomes = await Promise.all(players.map(({ client }) => outcomeOf(client.linkGoogle({ body: { idToken } }))))
    expect(outcomes.toSorted()).toEqual(['credential_taken', 'served'])
    const owner = players[outcomes.indexOf('served')]
    expect(await playerOf(world.client().signInWithGoogle({ body: { idToken } }))).toBe(owner?.playerId)
  }
})

test('a list of links tells neither address nor subject, and its ids name each of several devices', async () => {
  const { client } = await world.signIn()
  const [address, second] = [newAddress(), newDevice()]
  await client.linkEmail({ body: address })
  const { linkId } = (await client.linkDevice({ body: second })).body
  const { body } = await client.listLinks()
  expect(Object.keys(body.links[0] ?? {}).toSorted()).toEqual(['linkId', 'linkedAt', 'provider'])
  const text = JSON.stringify(body)
  for (const hidden of [address.email, second.deviceId, emailCredentialOf(address.email).credentialHash])
    expect(text).not.toContain(hidden)
  const left = (await client.unlink({ params: { provider: 'device' }, query: { linkId } })).body.links
  expect(left.map(({ provider }) => provider)).toEqual(['device', 'email'])
  expect(left.map((link) => link.linkId)).not.toContain(linkId)
})

test('what was unlinked signs somebody else in, its password opens nothing, and it can be linked anew', async () => {
  const guest = await world.signIn()
  const address = newAddress()
  await guest.client.linkEmail({ body: address })
  await guest.client.unlink({ params: { provider: 'email' }, query: {} })
  expect(await outcomeOf(guest.client.unlink({ params: { provider: 'email' }, query: {} }))).toBe('not_found')
  const { credentialHash } = emailCredentialOf(address.email)
  expect(await world.sql`select from passwords where credential_hash = ${credentialHash}`).toHaveLength(0)
  expect(await playerOf(world.client().signInWithEmail({ body: { ...address, create: false } }))).toBe(
    'credential_invalid',
  )
  const other = { ...address, password: 'a phrase of the next one' }
  const next = await playerOf(world.client().signInWithEmail({ body: other }))
  expect(next).not.toBe(guest.playerId)
  expect(await outcomeOf(guest.client.linkEmail({ body: address }))).toBe('credential_taken')
  expect(await playerOf(world.client().signInWithEmail({ body: address }))).toBe('credential_invalid')
})

test('the last thing that signs a player in cannot be unlinked', async () => {
  const guest = await world.signIn()
  const unlink = (provider: string) => outcomeOf(guest.client.unlink({ params: { provider }, query: {} }))
  expect(await unlink('device')).toBe('last_credential')
  await guest.client.linkDevice({ body: newDevice() })
  // All devices, where none of them is named.
  expect(await unlink('device')).toBe('last_credential')
  await guest.client.linkEmail({ body: newAddress() })
  expect(await unlink('device')).toBe('served')
  expect(await unlink('email')).toBe('last_credential')
})

test('an address whose password was never stored signs nobody in: it is not listed, does not count, and is mended', async () => {
  const deviceId = randomUUID()
  const guest = await world.signIn(deviceId)
  const address = newAddress()
  await guest.client.linkEmail({ body: address })
  // As after a crash between claim and password.
  await world.sql`delete from passwords where credential_hash = ${emailCredentialOf(address.email).credentialHash}`
  expect(await providersOf(guest)).toEqual(['device'])
  expect(await outcomeOf(guest.client.unlink({ params: { provider: 'device' }, query: {} }))).toBe('last_credential')
  expect(await playerOf(world.client().signInWithEmail({ body: address }))).toBe('credential_invalid')
  await guest.client.linkEmail({ body: address })
  expect(await playerOf(world.client().signInWithEmail({ body: address }))).toBe(guest.playerId)
})

test('a password that meets an unlink of its address is stored for nobody, for it would open the next owner’s account', async () => {
  const { outcome, credentialHash } = await untilMet(async () => {
    const { client, playerId } = await world.signIn()
    const address = newAddress()
    const { credentialHash } = emailCredentialOf(address.email)
    await client.linkEmail({ body: address })
    const { linking, met } = await world.database.db.transaction(async (tx) => {
      // As an unlink does it.
      await lockPlayer(tx, playerId)
      await world.sql`delete from passwords where credential_hash = ${credentialHash}`
      const linking = outcomeOf(client.linkEmail({ body: address }))
      const met = await meet(world, 1)
      await world.sql`update credentials set player_id = null, version = version + 1
        where credential_hash = ${credentialHash}`
      return { linking, met }
    })
    const outcome = await linking
    return met ? { outcome, credentialHash } : undefined
  })
  expect(outcome).toBe('unavailable')
  expect(await world.sql`select from passwords where credential_hash = ${credentialHash}`).toHaveLength(0)
})

test('two who unlink at once do not take the last two', async () => {
  const { outcomes, left } = await untilMet(async () => {
    const guest = await world.signIn()
    const { client, playerId } = guest
    await client.linkGoogle({ body: { idToken: newIdToken(world) } })
    const unlink = (provider: string) => () => outcomeOf(client.unlink({ params: { provider }, query: {} }))
    const outcomes = await releasedAtOnce(
      world,
      // What they take away. The first waits for this, the second for the first.
      (tx) => tx`select from credentials where player_id = ${playerId} for update`,
      [unlink('device'), unlink('google')],
    )
    return outcomes && !outcomes.includes('unavailable') ? { outcomes, left: await providersOf(guest) } : undefined
  })
  expect(outcomes.toSorted()).toEqual(['last_credential', 'served'])
  expect(left).toHaveLength(1)
})

test('a player has twenty links at the most, also when several come at once', async () => {
  const { client, outcomes } = await untilMet(async () => {
    const { client, playerId } = await world.signIn()
    for (let links = 1; links < linksMax - 1; links++) {
      const { provider, credentialHash } = deviceCredentialOf(randomUUID())
      await world.sql`insert into credentials (provider, credential_hash, player_id, version, created_at)
        values (${provider}, ${credentialHash}, ${playerId}, 1, now())`
    }
    // Each has counted when none has claimed yet; a read waits for nobody.
    const outcomes = await releasedAtOnce(
      world,
      (tx) => tx`lock table credentials in share mode`,
      Array.from({ length: 3 }, () => () => outcomeOf(client.linkDevice({ body: newDevice() }))),
    )
    return outcomes && !outcomes.includes('unavailable') ? { client, outcomes } : undefined
  })
  // Each may have seen what the others had claimed and not yet given back.
  expect(outcomes.filter((outcome) => outcome === 'served').length).toBeLessThanOrEqual(1)
  expect(new Set([...outcomes, 'links_full', 'served'])).toEqual(new Set(['links_full', 'served']))
  while ((await client.listLinks()).body.links.length < linksMax) await client.linkDevice({ body: newDevice() })
  expect((await client.listLinks()).body.links).toHaveLength(linksMax)
  const error = await client.linkDevice({ body: newDevice() }).catch((reason: unknown) => reason)
  expect(error instanceof CallError && error.is('links_full') && error.problem.linksMax).toBe(linksMax)
})

test('whose session has ended links and unlinks nothing, though the token still lives', async () => {
  const guest = await world.signIn()
  await guest.client.logOut({ body: {} })
  for (const call of [
    () => guest.client.linkDevice({ body: newDevice() }),
    () => guest.client.linkEmail({ body: newAddress() }),
    () => guest.client.linkGoogle({ body: { idToken: newIdToken(world) } }),
    () => guest.client.unlink({ params: { provider: 'device' }, query: {} }),
    () =>
      guest.client.changePassword({ body: { password: 'a lasting phrase', newPassword: 'another lasting phrase' } }),
  ])
    expect(await outcomeOf(call())).toBe('token_invalid')
})
