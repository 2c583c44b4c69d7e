import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { emailCredentialOf } from '#core/auth/credential.ts'
import { createPasswords, passwordWork } from '#core/auth/password.ts'
import { parsePasswordHash } from '#core/auth/password-hash.ts'
import { createSessionIssuer } from '#core/auth/session-issuer.ts'
import { createSecrets } from '#core/secrets.ts'
import { registerPlayers } from '#db/register.ts'
import { contentsOf } from './contents.ts'
import { createCountedDerive } from './counted-derive.ts'
import { cell, startWorld, type World } from './harness.ts'
import { meet, untilMet } from './locks.ts'
import { outcomeOf } from './outcome.ts'
import { addressOf } from './valid-call.ts'

const hashes = createCountedDerive()

let world: World
beforeAll(async () => {
  world = await startWorld({ derive: hashes.derive })
})
afterAll(() => world?.stop())

type Body = Parameters<ReturnType<World['client']>['signInWithEmail']>[0]['body']
const newAddress = () => addressOf(randomUUID())
const signIn = async (body: Body) => (await world.client().signInWithEmail({ body })).body

/** Status and body but for `requestId`, and how many hashes it took. */
const refusalOf = async (body: Body) => {
  hashes.count = 0
  try {
    await signIn(body)
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const { status, code, problem } = error
    return { status, code, problem: { ...problem, requestId: undefined }, hashes: hashes.count }
  }
  throw new Error('it was not refused')
}
test('the first sign-in makes the player, and every later one finds them, however the address is spelled', async () => {
  const { email } = newAddress()
  const first = await signIn({ email, password: 'Ångström ﬁnds it', displayName: 'Ada' })
  expect([first.created, first.player.displayName]).toEqual([true, 'Ada'])
  const again = await signIn({ email: email.toUpperCase(), password: 'A\u030angstro\u0308m finds it' })
  expect([again.created, again.player.id]).toEqual([false, first.player.id])
  await world.client({ bearer: again.accessToken }).getOwnProfile()
})

test('a refusal is the same and takes the same work, whether the address is known or not', async () => {
  const { email, password } = newAddress()
  await signIn({ email, password })
  const unknown = () => newAddress().email
  const wrong = 'another lasting phrase'
  const weak = 'password12345'
  const refused = await refusalOf({ email, password: wrong, create: false })
  expect([refused.status, refused.code, refused.hashes]).toEqual([401, 'credential_invalid', 1])
  expect(await refusalOf({ email: unknown(), password: wrong, create: false })).toEqual(refused)
  expect(await refusalOf({ email: unknown(), password: weak, create: false })).toEqual(refused)
  // The two that would make an account of an unknown address.
  expect(await refusalOf({ email, password: wrong })).toEqual(refused)
  const tooWeak = await refusalOf({ email, password: weak })
  expect([tooWeak.status, tooWeak.code, tooWeak.hashes]).toEqual([422, 'password_weak', 1])
  expect(await refusalOf({ email: unknown(), password: weak })).toEqual(tooWeak)
})

test('a refused sign-in leaves nothing behind', async () => {
  const { email, password } = newAddress()
  await signIn({ email, password })
  const before = await contentsOf(world)
  await refusalOf({ email, password: 'another lasting phrase' })
  await refusalOf({ ...newAddress(), create: false })
  await refusalOf({ ...newAddress(), password: 'password12345' })
  expect(await contentsOf(world)).toEqual(before)
})

test('who was banned hears of it with the right password, and of nothing with a wrong one', async () => {
  const { email, password } = newAddress()
  const { player } = await signIn({ email, password })
  await world.sql`update players set banned_until = now() + interval '1 day', ban_reason = 'test' where player_id = ${player.id}`
  expect((await refusalOf({ email, password })).code).toBe('player_banned')
  expect((await refusalOf({ email, password: 'another lasting phrase' })).code).toBe('credential_invalid')
})

test('who has a password that could not be chosen today signs in with it', async () => {
  const { email, password } = newAddress()
  const { player } = await signIn({ email, password })
  const verifier = await createPasswords(hashes.derive).hash('password12345')
  await world.sql`update passwords set verifier = ${verifier} where credential_hash = ${emailCredentialOf(email).credentialHash}`
  expect((await signIn({ email, password: 'password12345' })).player.id).toBe(player.id)
})

test('a hash that took less work than one does today is replaced when its password is told', async () => {
  const { email, password } = newAddress()
  const { player } = await signIn({ email, password })
  const { credentialHash } = emailCredentialOf(email)
  const workOf = async () => {
    const [row] = await world.sql`select verifier from passwords where credential_hash = ${credentialHash}`
    return parsePasswordHash(row?.verifier).work
  }
  const weaker = { ...passwordWork, passes: 1 }
  const verifier = await createPasswords((input) => hashes.derive({ ...input, work: weaker })).hash(password)
  await world.sql`update passwords set verifier = ${verifier.replace('t=2', 't=1')} where credential_hash = ${credentialHash}`
  expect(await workOf()).toEqual(weaker)
  await refusalOf({ email, password: 'another lasting phrase' })
  expect(await workOf()).toEqual(weaker)
  for (let time = 0; time < 2; time++) expect((await signIn({ email, password })).player.id).toBe(player.id)
  expect(await workOf()).toEqual(passwordWork)
})

/** Everybody has looked for the account before anybody's password is hashed. */
const atOnce = async (bodies: readonly Body[]) => {
  const gate = Promise.withResolvers<void>()
  hashes.gate = gate.promise
  hashes.count = 0
  const calls = bodies.map(signIn)
  // Two are hashed at a time, so only the first two can be seen to wait.
  await expect.poll(() => hashes.count).toBe(Math.min(2, bodies.length))
  gate.resolve()
  return Promise.allSettled(calls)
}

test('of first sign-ins at once with different passwords one makes the account, and its password alone opens it', async () => {
  for (let round = 0; round < 5; round++) {
    const { email } = newAddress()
    const bodies = Array.from({ length: 3 }, (_, at) => ({ email, password: `lasting phrase ${at}` }))
    const results = await atOnce(bodies)
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(made.map(({ created }) => created)).toEqual([true])
    for (const [at, body] of bodies.entries()) {
      const opens = results[at]?.status === 'fulfilled'
      const outcome = await outcomeOf(signIn({ ...body, create: false }))
      expect(outcome).toBe(opens ? 'served' : 'credential_invalid')
    }
  }
})

test('of first sign-ins at once with the same password one makes the account, and all are in it', async () => {
  const body = newAddress()
  const results = await atOnce([body, body, body, body])
  const answers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  expect(answers.filter(({ created }) => created)).toHaveLength(1)
  expect([answers.length, new Set(answers.map(({ player }) => player.id)).size]).toEqual([4, 1])
})

test('a password that is changed while a sign-in checks it opens nothing any more', async () => {
  const body = newAddress()
  const { accessToken } = await signIn(body)
  const gate = Promise.withResolvers<void>()
  hashes.count = 0
  hashes.gate = gate.promise
  const signingIn = outcomeOf(signIn({ ...body, create: false }))
  await expect.poll(() => hashes.count).toBe(1)
  hashes.gate = Promise.resolve()
  const change = { password: body.password, newPassword: 'another lasting phrase' }
  await world.client({ bearer: accessToken }).changePassword({ body: change })
  gate.resolve()
  expect(await signingIn).toBe('credential_invalid')
})

const claimFor = (playerId: PlayerId, email: string) => world.sql`
  insert into credentials (provider, credential_hash, player_id, version, created_at)
  values ('email', ${emailCredentialOf(email).credentialHash}, ${playerId}, 1, now())`

test('an address of another cell is sent there before anything is hashed', async () => {
  const { email, password } = newAddress()
  await claimFor(newId('player', cell, Date.now()).replace(`_${cell}_`, '_us1_') as PlayerId, email)
  for (const create of [true, false]) {
    hashes.count = 0
    const response = await world.askCore({
      method: 'POST',
      path: '/v1/auth/email',
      principal: { kind: 'client', keyId: 'key' },
      body: JSON.stringify({ email, password, create }),
    })
    expect([response.status, (await response.json()) as object, hashes.count]).toEqual([
      421,
      expect.objectContaining({ cell: 'us1' }),
      0,
    ])
  }
})

test('an address that was claimed for a player who was not made opens nothing', async () => {
  const body = newAddress()
  await claimFor(newId('player', cell, Date.now()), body.email)
  expect((await refusalOf({ ...body, create: false })).code).toBe('credential_invalid')
})

test.each(['alone', 'control', 'follower'] as const)(
  'where the cell registers %s, player and password are stored together, or neither is',
  async (by) => {
    const { database, clock } = world
    const now = new Date(clock())
    const register = async ({ email, password }: { readonly email: string; readonly password: string }) => {
      const playerId = newId('player', cell, clock())
      const proven = { ...emailCredentialOf(email), verifier: await createPasswords(hashes.derive).hash(password) }
      const claim =
        by === 'alone'
          ? { by }
          : by === 'control'
            ? { by, eventId: newId('event', cell, clock()) }
            : { by, version: now.getTime() }
      const { session } = createSessionIssuer({
        cell,
        issuer: world.edgeUrl,
        secrets: createSecrets(parseNamedKeys(world.secrets.masterKeys)),
        signer: () => Promise.reject(new Error('nothing is signed here')),
      }).first(now)
      const event = {
        eventId: newId('event', cell, clock()),
        aggregate: `player:${playerId}`,
        type: 'perigee.player.created.v1',
        data: { playerId, displayName: 'Ada' },
        moved: [],
        traceparent: '',
      } as const
      const player = { playerId, displayName: 'Ada', version: now.getTime(), event }
      // The follower has claimed it for the player who was to be made before.
      const [row] = await database.statement<{ id: PlayerId }>(
        'select player_id as id from credentials where credential_hash = $1',
        [proven.credentialHash],
      )
      const placed = by === 'follower' && row ? { ...player, playerId: row.id } : player
      return (await registerPlayers(database, by, [{ credential: proven, session, player: placed, claim }]))[0]
    }
    const body = newAddress()
    expect(await register(body)).toBeDefined()
    expect(await register({ ...body, password: 'another lasting phrase' })).toBeUndefined()
    expect((await signIn(body)).created).toBe(false)
  },
)

test('a password ends with its change, and all sessions but the one that it was changed in', async () => {
  const body = newAddress()
  const [own, other] = [await signIn(body), await signIn(body)]
  const client = world.client({ bearer: own.accessToken })
  const change = { password: body.password, newPassword: 'another lasting phrase' }
  expect(await outcomeOf(client.changePassword({ body: { ...change, password: 'not what it is' } }))).toBe(
    'credential_refused',
  )
  expect(await outcomeOf(client.changePassword({ body: { ...change, newPassword: body.email } }))).toBe('password_weak')
  await client.changePassword({ body: change })
  expect(await outcomeOf(client.updateOwnProfile({ body: { displayName: 'Ada' } }))).toBe('token_invalid')
  const refresh = ({ refreshToken }: { refreshToken: string }) =>
    world.client().refreshSession({ body: { refreshToken } })
  expect(await outcomeOf(refresh(other))).toBe('refresh_token_invalid')
  const next = (await refresh(own)).body
  const write = world.client({ bearer: next.accessToken }).updateOwnProfile({ body: { displayName: 'Ada' } })
  expect(await outcomeOf(write)).toBe('served')
  expect(await outcomeOf(signIn({ ...body, create: false }))).toBe('credential_invalid')
  expect((await signIn({ ...body, password: change.newPassword })).player.id).toBe(own.player.id)
})

test('a change of a password that waits for a ban or an erasure holds nothing that those need', async () => {
  const outcome = await untilMet(async () => {
    const body = newAddress()
    const { player, accessToken } = await signIn(body)
    const { credentialHash } = emailCredentialOf(body.email)
    const change = { password: body.password, newPassword: 'another lasting phrase' }
    const { changed, met } = await world.sql.begin(async (tx) => {
      await tx`select from players where player_id = ${player.id} for no key update`
      const changed = outcomeOf(world.client({ bearer: accessToken }).changePassword({ body: change }))
      const met = await meet(world, 1)
      if (met) await tx`select from passwords where credential_hash = ${credentialHash} for update nowait`
      return { changed, met }
    })
    const outcome = await changed
    return met && outcome !== 'unavailable' ? outcome : undefined
  })
  expect(outcome).toBe('served')
})

test('of two changes of a password at once one is refused', async () => {
  const body = newAddress()
  const [one, two] = [await signIn(body), await signIn(body)]
  const change = ({ accessToken }: { accessToken: string }, newPassword: string) =>
    outcomeOf(world.client({ bearer: accessToken }).changePassword({ body: { password: body.password, newPassword } }))
  const outcomes = await Promise.all([change(one, 'lasting phrase one'), change(two, 'lasting phrase two')])
  expect(outcomes.filter((outcome) => outcome === 'served')).toHaveLength(1)
})
