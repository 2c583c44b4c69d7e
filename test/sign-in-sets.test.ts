import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { cellSchema, newId, type PlayerId } from '#contract/ids.ts'
import { deviceCredentialOf, emailCredentialOf } from '#core/auth/credential.ts'
import { createSessionIssuer } from '#core/auth/session-issuer.ts'
import { createSecrets } from '#core/secrets.ts'
import { type Registration, registerPlayers } from '#db/register.ts'
import type { DeviceKey } from '#db/sessions.ts'
import { type ProvenCredential, type SignInAttempt, signInByCredentials } from '#db/sign-in.ts'
import { startWorld, type World } from './harness.ts'

const cell = cellSchema.parse('eu1')
/** As hard to write as an array of texts can be. */
const verifier = `$argon2id$v=19$m=8,t=1,p=1$"a\\b"{,}$NULL`

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const newDevice = (): ProvenCredential => ({ ...deviceCredentialOf(randomUUID()), verifier: null })
const newAddress = (): ProvenCredential => ({ ...emailCredentialOf(`${randomUUID()}@example.com`), verifier })

const attemptOf = (credential: ProvenCredential, deviceKey: DeviceKey | null = null): SignInAttempt => {
  const issuer = createSessionIssuer({
    cell,
    issuer: world.edgeUrl,
    secrets: createSecrets(parseNamedKeys(world.secrets.masterKeys)),
    signer: () => Promise.reject(new Error('nothing is signed here')),
  })
  const { session } = issuer.first(new Date(world.clock()))
  return { credential, session: { ...session, deviceKey } }
}

const registrationOf = (credential: ProvenCredential, displayName = 'Ada'): Registration => {
  const now = world.clock()
  const playerId = newId('player', cell, now)
  const event = {
    eventId: newId('event', cell, now),
    aggregate: `player:${playerId}`,
    type: 'perigee.player.created.v1',
    data: { playerId, displayName },
    moved: [{ tag: `player:${playerId}`, version: now }],
    traceparent: '',
  } as const
  const player = { playerId, displayName, version: now, event }
  return { ...attemptOf(credential), player, claim: { by: 'alone' } }
}

const register = async (credential: ProvenCredential): Promise<PlayerId> => {
  const [player] = await registerPlayers(world.database, 'alone', [registrationOf(credential)])
  return player?.playerId ?? expect.fail('a player was not made')
}

/** Whose session this is, in the database. */
const ownerOf = async ({ session }: SignInAttempt): Promise<unknown> => {
  const [row] = await world.sql`select player_id, device_key from sessions where session_id = ${session.sessionId}`
  return row && [row.player_id, row.device_key]
}

test('each of a mixed crowd in one set gets its own answer, and only who may begins a session', async () => {
  const { database, sql } = world
  const now = new Date(world.clock())
  const made = async (credential: ProvenCredential) => ({ credential, id: await register(credential) })
  const [known, banned, freed, leaving, gone] = [
    await made(newDevice()),
    await made(newDevice()),
    await made(newDevice()),
    await made(newDevice()),
    await made(newDevice()),
  ]
  const address = await made(newAddress())
  const later = new Date(now.getTime() + 60_000)
  await sql`update players set banned_until = ${later}, ban_reason = 'spam' where player_id = ${banned.id}`
  await sql`update players set banned_until = ${now}, ban_reason = 'spam' where player_id = ${freed.id}`
  await sql`update players set delete_at = ${later} where player_id = ${leaving.id}`
  await sql`update players set deleted_at = ${now} where player_id = ${gone.id}`
  const elsewhere = newDevice()
  const far = newId('player', cellSchema.parse('us1'), now.getTime())
  await sql`insert into credentials (provider, credential_hash, player_id, created_at)
    values (${elsewhere.provider}, ${elsewhere.credentialHash}, ${far}, ${now})`
  const givenUp = newDevice()
  await sql`insert into credentials (provider, credential_hash, player_id, created_at)
    values (${givenUp.provider}, ${givenUp.credentialHash}, null, ${now})`

  const key = { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) } as const
  const asked = [
    newDevice(),
    known.credential,
    banned.credential,
    { ...address.credential, verifier: 'another' },
    elsewhere,
    freed.credential,
    givenUp,
    leaving.credential,
    address.credential,
    gone.credential,
    known.credential,
  ].map((credential, at) => attemptOf(credential, at === 1 ? key : null))
  const found = await signInByCredentials(database, asked)
  expect(found.map((one) => one && [one.owner, one.player?.playerId, one.isProven])).toEqual([
    undefined,
    [known.id, known.id, true],
    [banned.id, banned.id, true],
    [address.id, address.id, false],
    [far, undefined, true],
    [freed.id, freed.id, true],
    undefined,
    [leaving.id, leaving.id, true],
    [address.id, address.id, true],
    [gone.id, gone.id, true],
    [known.id, known.id, true],
  ])
  expect(found[2]?.player?.bannedUntil).toEqual(later)
  expect(await Promise.all(asked.map(ownerOf))).toEqual([
    undefined,
    [known.id, key],
    ...[undefined, undefined, undefined],
    [freed.id, null],
    ...[undefined, undefined],
    [address.id, null],
    undefined,
    [known.id, null],
  ])
})

test.each(['alone', 'control', 'follower'] as const)(
  'of registrations in one set, where the cell registers %s, those whose credential is taken leave nothing',
  async (by) => {
    const { database, sql } = world
    const credentials = [newDevice(), newAddress(), newDevice(), newAddress()]
    const claimOf = (): Registration['claim'] => {
      if (by === 'control') return { by, eventId: newId('event', cell, world.clock()) }
      return by === 'follower' ? { by, version: world.clock() } : { by }
    }
    const named = (name: string, credential: ProvenCredential) => ({
      ...registrationOf(credential, name),
      claim: claimOf(),
    })
    const [, second, , fourth] = credentials.map((credential, at) => named(`first "${at}"`, credential))
    if (!second || !fourth) return expect.fail()
    expect((await registerPlayers(database, by, [fourth, second])).map((made) => made?.displayName)).toEqual([
      'first "3"',
      'first "1"',
    ])
    const again = credentials.map((credential, at) => named(`again, ${at}`, credential))
    // A follower is told by the control cell whom the credential is for.
    const placed = again.map((one, at) => {
      const before = [undefined, second, undefined, fourth][at]
      return by === 'follower' && before
        ? { ...one, player: { ...one.player, playerId: before.player.playerId }, claim: before.claim }
        : one
    })
    const made = await registerPlayers(database, by, placed)
    expect(made.map((player) => player?.displayName)).toEqual(['again, 0', undefined, 'again, 2', undefined])
    expect((await Promise.all(placed.map(ownerOf))).map((owner) => owner !== undefined)).toEqual([
      true,
      false,
      true,
      false,
    ])
    const left =
      await sql`select event_id from outbox where event_id = any(${placed.map(({ player }) => player.event.eventId)})`
    expect(left.map((row) => row.event_id).toSorted()).toEqual(
      [placed[0], placed[2]].map((one) => one?.player.event.eventId).toSorted(),
    )
    const hashes = placed.map(({ credential }) => credential.credentialHash)
    const told = await sql`select version from outbox where type = 'perigee.replica.credential.v1'
      and data ->> 'credentialHash' = any(${hashes})`
    expect(told).toHaveLength(by === 'control' ? 4 : 0)
    const owners = await sql`select player_id from credentials where credential_hash = any(${hashes})`
    expect(owners).toHaveLength(4)
  },
)
