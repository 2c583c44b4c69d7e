import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SignInAnswer } from '#contract/auth.ts'
import { CallError, createClient } from '#contract/client.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { cellOf, newId, type PlayerId } from '#contract/ids.ts'
import { routes } from '#contract/routes.ts'
import { createApiKey } from '#core/api-keys.ts'
import { directoryPath } from '#core/directory.ts'
import { createSecrets, decrypt, sha256 } from '#core/secrets.ts'
import { listSigningKeys, revokeApiKey } from '#db/keys.ts'
import { type Cells, startCells } from './cells.ts'
import { checkedFetch } from './checked-fetch.ts'
import { eventually } from './eventually.ts'
import { fulfils } from './fulfils.ts'
import type { WorldCell } from './world-cell.ts'

const names = ['eu1', 'us1'] as const
const eu = 0
const us = 1

const devicesCount = 60
const devicesAtOnce = 10
/** How long what the control cell decides may take to be known in another. */
const heardMaxMs = 5_000

let world: Cells
beforeAll(async () => {
  world = await startCells(names)
})
afterAll(() => world?.stop())

const cellAt = (at: number): WorldCell => world.cells[at] ?? expect.fail('the cell was started')

const signIn = async (at: number, deviceId: string, create = true): Promise<SignInAnswer> =>
  (await world.client(at).signInWithDevice({ body: { deviceId, create } })).body

/** As a client does that got no answer in time. */
const signInWithRetries = async (at: number, deviceId: string): Promise<SignInAnswer> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await signIn(at, deviceId)
    } catch (error) {
      if (attempt === 5 || !(error instanceof CallError) || error.status !== 503) throw error
    }
  }
}

const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof CallError ? error : expect.fail(`should have been refused: ${error}`)
}

const credentialOf = (deviceId: string) => ({ provider: 'device', credentialHash: sha256('device:', deviceId) })

/** Resolves when a cell knows whose a device is. */
const heard = ({ cells }: Cells, at: number, deviceId: string) =>
  eventually(async () => {
    const { credentialHash } = credentialOf(deviceId)
    const { sql } = cells[at] ?? expect.fail('the cell was started')
    const rows = await sql`select player_id from credentials where credential_hash = ${credentialHash}`
    return rows.length === 1
  }, heardMaxMs)

test('a player is at home where they signed up, and the far edge finds them there', async () => {
  for (const [home, far] of [
    [eu, us],
    [us, eu],
  ] as const) {
    const deviceId = randomUUID()
    const first = await signIn(home, deviceId)
    expect([first.created, first.cell, cellOf(first.player.id)]).toEqual([true, names[home], names[home]])
    const again = await signIn(far, deviceId)
    expect([again.created, again.cell, again.player.id]).toEqual([false, names[home], first.player.id])
    const unmade = await signIn(far, deviceId, false)
    expect(unmade.player.id).toBe(first.player.id)
  }
})

test('a session is refreshed, listed and ended from the far edge', async () => {
  const { refreshToken } = await signIn(us, randomUUID())
  const { body } = await world.client(eu).refreshSession({ body: { refreshToken } })
  expect(body.cell).toBe('us1')
  const far = world.client(eu, body.accessToken)
  expect((await far.listOwnSessions()).body.sessions).toHaveLength(1)
  await far.logOut({ body: {} })
  const { code } = await failureOf(world.client(eu).refreshSession({ body: { refreshToken: body.refreshToken } }))
  expect(code).toBe('refresh_token_invalid')
})

test('writes land at home, and the other cell’s edge reads and caches the profile', async () => {
  const { player, accessToken } = await signIn(us, randomUUID())
  const far = world.client(eu, accessToken)
  await far.updateOwnProfile({ body: { displayName: 'Amelia' } })
  const rowsIn = async (at: number) =>
    (await cellAt(at).sql`select display_name from players where player_id = ${player.id}`).map(
      (row) => row.display_name,
    )
  expect([await rowsIn(us), await rowsIn(eu)]).toEqual([['Amelia'], []])

  const reader = world.client(eu, (await signIn(eu, randomUUID())).accessToken)
  const reads = []
  for (let read = 0; read < 3; read++) reads.push(await reader.getProfile({ params: { playerId: player.id } }))
  expect(reads.map(({ body }) => body.displayName)).toEqual(['Amelia', 'Amelia', 'Amelia'])
  expect(reads.at(-1)?.headers.get('cache-status')).toContain('hit')
})

test('a server key made in the control cell grants to players of every cell, from every edge', async () => {
  for (const at of [eu, us]) {
    const { player, accessToken } = await signIn(at, randomUUID())
    for (const edge of [eu, us]) {
      const grant = { changes: [{ currency: 'coins', amount: 5 }], reason: 'test' }
      const server = world.client(edge, world.keys.server)
      await server.createWalletTransaction({ params: { playerId: player.id }, body: grant })
    }
    const { body } = await world.client(at, accessToken).getWallet()
    expect(body.balances.find(({ currency }) => currency === 'coins')?.amount).toBe(10)
  }
})

test('of first sign-ins of a device in two cells at once one makes the player, and all find them', async () => {
  const devices = Array.from({ length: devicesCount }, () => randomUUID())
  const answers: SignInAnswer[][] = []
  for (let from = 0; from < devicesCount; from += devicesAtOnce) {
    const race = (deviceId: string) => Promise.all([eu, us, eu, us].map((at) => signInWithRetries(at, deviceId)))
    answers.push(...(await Promise.all(devices.slice(from, from + devicesAtOnce).map(race))))
  }
  const homes = new Set<string>()
  for (const [at, all] of answers.entries()) {
    expect(new Set(all.map(({ player }) => player.id)).size, devices[at]).toBe(1)
    expect(all.filter(({ created }) => created).length).toBeLessThanOrEqual(1)
    homes.add(all[0]?.cell ?? '')
  }
  const stored = await Promise.all(
    world.cells.map(
      ({ sql }) =>
        sql`select count(*)::int as players from players where player_id in ${sql(answers.flatMap((all) => all.map(({ player }) => player.id)))}`,
    ),
  )
  expect(stored.reduce((sum, [row]) => sum + row?.players, 0)).toBe(devices.length)
  console.log(
    `one account: ${devices.length} devices, 4 first sign-ins each in 2 cells, homes ${[...homes].sort().join(' and ')}`,
  )
})

test('a player who was claimed and not made, because a core died in between, is made by the next sign-in anywhere', async () => {
  for (const edge of [eu, us]) {
    const deviceId = randomUUID()
    const playerId = newId('player', cellAt(us).cell, Date.now())
    const question = { ask: 'claim', ...credentialOf(deviceId), playerId }
    const answer = await cellAt(eu).askCore({
      method: 'POST',
      path: directoryPath,
      principal: { kind: 'cell', cell: cellAt(us).cell },
      body: JSON.stringify(question),
    })
    expect(answer.status).toBe(200)
    const { code } = await failureOf(signIn(edge, deviceId, false))
    expect(code).toBe('not_found')
    const { player, created } = await signIn(edge, deviceId)
    expect([player.id, created]).toEqual([playerId, true])
  }
})

test('a device that nobody knows is not found from any edge, and nothing is made', async () => {
  for (const at of [eu, us]) {
    const deviceId = randomUUID()
    expect((await failureOf(signIn(at, deviceId, false))).code).toBe('not_found')
    expect((await signIn(at, deviceId)).created).toBe(true)
  }
})

test('the JWKS holds the keys of all cells, whichever edge is asked', async () => {
  for (const at of [eu, us]) {
    const { body } = await world.client(at).getJwks()
    expect(body.keys.map(({ kid }) => kid.slice(0, 8)).sort()).toEqual(['key_eu1_', 'key_us1_'])
  }
})

test('a key of one cell signs for no player of another', async () => {
  const victim = await signIn(eu, randomUUID())
  const [row = expect.fail('a cell has a signing key')] = await listSigningKeys(cellAt(us).database.db)
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const key = await importJWK(JSON.parse(decrypt(secrets, 'signing-key', row.privateJwkEncrypted)), 'ES256')
  const claims = JSON.parse(Buffer.from(victim.accessToken.split('.')[1] ?? '', 'base64url').toString())
  const sign = (over: object) =>
    new SignJWT({ ...claims, ...over }).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: row.keyId }).sign(key)
  for (const over of [{}, { cell: 'us1' }])
    for (const at of [eu, us]) {
      const { code } = await failureOf(world.client(at, await sign(over)).getOwnProfile())
      expect(code).toBe('token_invalid')
    }
  const own = { cell: 'us1', sub: claims.sub.replace('_eu1_', '_us1_'), sid: claims.sid.replace('_eu1_', '_us1_') }
  expect((await failureOf(world.client(us, await sign(own)).getOwnProfile())).code).toBe('not_found')
})

test('a key of a cell that does not exist is refused without a question to anybody', async () => {
  const { accessToken } = await signIn(eu, randomUUID())
  const [, payload, signature] = accessToken.split('.')
  const header = Buffer.from(
    JSON.stringify({ alg: 'ES256', typ: 'JWT', kid: newId('key', cellAt(eu).cell, 1).replace('_eu1_', '_ap1_') }),
  ).toString('base64url')
  const before = world.cells.map(({ coreRequests }) => coreRequests())
  expect((await failureOf(world.client(us, `${header}.${payload}.${signature}`).getOwnProfile())).code).toBe(
    'token_invalid',
  )
  expect(world.cells.map(({ coreRequests }) => coreRequests())).toEqual(before)
})

test('a key that is made or revoked in the control cell is so in the others', async () => {
  const { db } = cellAt(eu).database
  const now = new Date(world.clock())
  const { keyId, key } = await createApiKey(db, {
    kind: 'server',
    scopes: ['*'],
    name: 'late',
    origins: [],
    role: undefined,
    cell: cellAt(eu).cell,
    now,
  })
  const { player } = await signIn(us, randomUUID())
  const grant = () =>
    world.client(us, key).createWalletTransaction({
      params: { playerId: player.id },
      body: { changes: [{ currency: 'coins', amount: 1 }], reason: 'test' },
    })
  const works = () => fulfils(grant())
  const madeMs = await eventually(works, heardMaxMs)
  await db.transaction((tx) => revokeApiKey(tx, keyId, new Date(world.clock())))
  const revokedMs = await eventually(async () => !(await works()), heardMaxMs)
  expect((await failureOf(grant())).code).toBe('key_invalid')
  const [made, revoked] = [madeMs, revokedMs].map(Math.round)
  console.log(`in the other cell a key was known after ${made} ms, and revoked after ${revoked} ms`)
})

/** Makes a publishable key whose sign-ups are at home in a cell, and answers with a sign-in with it, once every cell knows it. */
const keyWithHome = async (home: number) => {
  const { cell } = cellAt(eu)
  const given = { kind: 'publishable', name: 'home', origins: [], scopes: [], role: undefined } as const
  const now = new Date(world.clock())
  const { key } = await createApiKey(cellAt(eu).database.db, { ...given, homeCell: cellAt(home).cell, cell, now })
  const known = async (at: number) => {
    const [row] = await cellAt(at).sql`select home_cell from api_keys where hash = ${sha256(key)}`
    return row?.home_cell === names[home]
  }
  for (const at of [eu, us]) await eventually(() => known(at), heardMaxMs)
  return async (baseUrl: string, deviceId: string): Promise<SignInAnswer> => {
    const client = createClient(routes, { baseUrl, fetch: checkedFetch, publishableKey: key })
    return (await client.signInWithDevice({ body: { deviceId } })).body
  }
}

test('with a key that has a home, players are made in that cell wherever they sign up, and found wherever they live', async () => {
  for (const [home, near] of [
    [us, eu],
    [eu, us],
  ] as const) {
    const signInThere = await keyWithHome(home)
    const { url, stop } = await world.startEdge(near)
    const made = await signInThere(url, randomUUID())
    expect([made.created, made.cell, cellOf(made.player.id)]).toEqual([true, names[home], names[home]])

    const deviceId = randomUUID()
    const { player } = await signIn(near, deviceId)
    const found = await signInThere(url, deviceId)
    expect([found.created, found.cell, found.player.id]).toEqual([false, names[near], player.id])
    await stop()
  }
})

test('with the home of a key gone its sign-ups wait, and nobody is made elsewhere', async () => {
  const signInThere = await keyWithHome(us)
  const { url, stop } = await world.startEdge(eu)
  await signInThere(url, randomUUID())
  await cellAt(us).stopCore()
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      const { status, headers } = await failureOf(signInThere(url, randomUUID()))
      expect(status).toBe(503)
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
  } finally {
    cellAt(us).restartCore()
    await stop()
  }
})

test('with the control cell gone who is known signs in, who is new is told to come back, and all goes on when it returns', async () => {
  const known = randomUUID()
  const knownInControl = randomUUID()
  const { player, refreshToken } = await signIn(us, known)
  await signIn(eu, knownInControl)
  await heard(world, us, knownInControl)
  await cellAt(eu).stopCore()
  try {
    for (const at of [us, eu]) expect((await signIn(at, known)).player.id).toBe(player.id)
    expect((await world.client(us).refreshSession({ body: { refreshToken } })).status).toBe(200)
    for (const at of [us, eu])
      for (const create of [true, false]) {
        const { code, headers } = await failureOf(signIn(at, randomUUID(), create))
        expect([at, code]).toEqual([at, 'unavailable'])
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      }
    const homeGone = await failureOf(signIn(us, knownInControl))
    expect([homeGone.code, homeGone.status]).toEqual(['unavailable', 503])
  } finally {
    cellAt(eu).restartCore()
  }
  // Until its edge has tried the cell again, others make whoever signs up near it.
  await eventually(
    () =>
      signIn(eu, randomUUID()).then(
        ({ cell }) => cell === 'eu1',
        () => false,
      ),
    10_000,
  )
  expect((await signIn(us, randomUUID())).cell).toBe('us1')
})

test('with another cell gone nobody else notices, and who signs up near it is at home in the control cell', async () => {
  const away = randomUUID()
  const here = randomUUID()
  expect((await signIn(us, away)).cell).toBe('us1')
  expect((await signIn(eu, here)).cell).toBe('eu1')
  await heard(world, eu, away)
  await cellAt(us).stopCore()
  try {
    expect((await signIn(us, here)).cell).toBe('eu1')
    expect((await signIn(us, randomUUID())).cell).toBe('eu1')
    expect((await failureOf(signIn(us, away))).status).toBe(503)
    const newcomer = await world.startEdge(us)
    const { body } = await world.client(us, undefined, newcomer.url).signInWithDevice({ body: { deviceId: here } })
    expect(body.cell).toBe('eu1')
    await newcomer.stop()
  } finally {
    cellAt(us).restartCore()
  }
  await eventually(
    () =>
      signIn(us, away).then(
        ({ cell }) => cell === 'us1',
        () => false,
      ),
    10_000,
  )
})

test('copies of the directory go by versions, in whatever order and however often they come', async () => {
  const deviceId = randomUUID()
  const { provider, credentialHash } = credentialOf(deviceId)
  const first = newId('player', cellAt(eu).cell, 1)
  const states: { version: number; playerId: PlayerId | null }[] = [
    { version: 10, playerId: first },
    { version: 11, playerId: null },
    { version: 12, playerId: newId('player', cellAt(us).cell, 2) },
  ]
  const send = ({ version, playerId }: (typeof states)[number]) =>
    cellAt(us).askCore({
      method: 'POST',
      path: '/internal/replication',
      principal: { kind: 'cell', cell: cellAt(eu).cell },
      body: JSON.stringify({
        orderingKey: 'x',
        attributes: {
          'ce-id': newId('event', cellAt(eu).cell, Date.now()),
          'ce-type': 'perigee.replica.credential.v1',
          'ce-subject': `credential:${provider}:${credentialHash}`,
          'ce-aggregateversion': String(version),
        },
        data: Buffer.from(
          JSON.stringify({ provider, credentialHash, playerId, createdAt: new Date(0).toISOString() }),
        ).toString('base64'),
      }),
    })
  for (const at of [1, 0, 1, 2, 0, 2, 1]) expect((await send(states[at] ?? expect.fail())).status).toBe(200)
  const [row] = await cellAt(us)
    .sql`select player_id, version::int from credentials where credential_hash = ${credentialHash}`
  expect(row).toEqual({ player_id: states[2]?.playerId, version: 12 })
})

test('without Pub/Sub the control cell hands what it decides to the other cores itself', async () => {
  const apart = await startCells(names, { bus: 'direct' })
  try {
    const deviceId = randomUUID()
    await apart.client(eu).signInWithDevice({ body: { deviceId } })
    const heardMs = await heard(apart, us, deviceId)
    console.log(`without Pub/Sub a credential was known in the other cell after ${Math.round(heardMs)} ms`)
  } finally {
    await apart.stop()
  }
})
