import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { CallError } from '#contract/client.ts'
import { deviceKeySchema } from '#contract/device-key.ts'
import { sessionIdSchema } from '#contract/ids.ts'
import type { CoreCall } from './core-call.ts'
import { type KeyedDevice, makeDevice } from './device.ts'
import { startWorld, type World } from './harness.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const authCall = (path: string, body: unknown): CoreCall => ({
  method: 'POST',
  path,
  principal: { kind: 'client', keyId: 'key_test' },
  body: JSON.stringify(body),
})

/** At the core, whose clock can be moved. */
const refresh = async (refreshToken: string, proof?: string) => {
  const response = await world.askCore(authCall('/v1/auth/refresh', { refreshToken, proof }))
  const body = JSON.parse(await response.text())
  return response.ok ? { token: String(body.refreshToken) } : { code: body.code, serverTime: body.serverTime }
}

const signIn = async (deviceKey?: KeyedDevice['deviceKey']): Promise<string> => {
  const response = await world.askCore(authCall('/v1/auth/device', { deviceId: randomUUID(), deviceKey }))
  return JSON.parse(await response.text()).refreshToken
}

/** A session that is bound to a device, with proofs by the core's clock. */
const bind = async () => {
  const device = makeDevice()
  const token = await signIn(device.deviceKey)
  const prove = (of: string) => device.prove(of, world.clock())
  /** The tokens of its chain, each got with the one before. */
  const rotate = async (times: number) => {
    const chain = [token]
    for (const _ of Array.from({ length: times })) {
      const last = chain.at(-1) ?? ''
      chain.push((await refresh(last, prove(last))).token ?? 'refused')
    }
    return chain
  }
  return { device, token, prove, rotate }
}

const isRevoked = async (token: string) => {
  const id = sessionIdSchema.parse(token.split('.')[1])
  return (await world.sql`select revoked_at from sessions where session_id = ${id}`)[0]?.revoked_at !== null
}

const refused = (code: string) => expect.objectContaining({ code })

/** The clock has not been moved yet: an edge signs with the machine's. */
test('a player sees which of their sessions are bound', async () => {
  const { deviceKey } = makeDevice()
  const deviceId = randomUUID()
  const unbound = await world.client().signInWithDevice({ body: { deviceId } })
  const { body } = await world.client().signInWithDevice({ body: { deviceId, deviceKey } })
  const { sessions } = (await world.client({ bearer: body.accessToken }).listOwnSessions()).body
  const boundOf = (token: string) => sessions.find(({ sessionId }) => sessionId === token.split('.')[1])?.bound
  expect([boundOf(unbound.body.refreshToken), boundOf(body.refreshToken)]).toEqual([false, true])
})

test('through the edge a bound session is refreshed, and refused with the server’s time, like at the core', async () => {
  const device = makeDevice()
  const client = world.client()
  const { body } = await client.signInWithDevice({ body: { deviceId: randomUUID(), deviceKey: device.deviceKey } })
  const { refreshToken } = body
  const error = await client.refreshSession({ body: { refreshToken } }).catch((thrown: unknown) => thrown)
  if (!(error instanceof CallError)) throw new Error('it was let pass')
  expect([error.code, error.problem?.serverTime]).toEqual(['refresh_proof_invalid', expect.any(String)])
  const proof = device.prove(refreshToken, Date.now())
  expect((await client.refreshSession({ body: { refreshToken, proof } })).body.refreshToken).toMatch(/^rb\./)
})

test('a session that is bound says so in its token, and goes on from token to token with a proof for each', async () => {
  const { rotate } = await bind()
  const chain = await rotate(4)
  expect(chain.map((token) => token.slice(0, 3))).toEqual(Array.from({ length: 5 }, () => 'rb.'))
  expect(new Set(chain).size).toBe(5)
  expect(await signIn()).toMatch(/^rt\./)
})

test('without a good proof a refresh is refused, tells the time, and changes nothing', async () => {
  const { device, token, prove } = await bind()
  const now = world.clock()
  const other = await bind()
  const [header = '', payload = '', signature = ''] = prove(token).split('.')
  const proofs: Readonly<Record<string, string | undefined>> = {
    none: undefined,
    'no proof': 'none',
    'of another device': other.prove(token),
    'over another token': prove(other.token),
    'over nothing': device.prove(token, now, { payload: { rth: undefined } }),
    'without a time': device.prove(token, now, { payload: { iat: undefined } }),
    'with a time that is text': device.prove(token, now, { payload: { iat: String(now / 1_000) } }),
    'of another type': device.prove(token, now, { header: { typ: 'JWT' } }),
    'without a type': device.prove(token, now, { header: { typ: undefined } }),
    'with another algorithm': device.prove(token, now, { header: { alg: 'none' } }),
    'with what must be understood': device.prove(token, now, { header: { crit: ['exp'] } }),
    'with another payload': `${header}.${Buffer.from(`${Buffer.from(payload, 'base64url')} `).toString('base64url')}.${signature}`,
    'without a signature': `${header}.${payload}.`,
    'with zeros for a signature': `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
  }
  for (const [what, proof] of Object.entries(proofs)) {
    const answer = await refresh(token, proof)
    expect([what, answer]).toEqual([what, refused('refresh_proof_invalid')])
    expect(Math.abs(Date.parse(answer.serverTime) - now)).toBeLessThan(30_000)
  }
  const [row] = await world.sql`select generation from sessions where session_id = ${token.split('.')[1] ?? ''}`
  expect([row?.generation, await isRevoked(token)]).toEqual([0, false])
  expect(await refresh(token, prove(token))).toHaveProperty('token')
})

test('who stole a bound token neither refreshes with it nor ends the session, however late it is reused', async () => {
  const { rotate, prove } = await bind()
  const thief = makeDevice()
  const chain = await rotate(4)
  world.clock.advance(60_000)
  for (const token of chain)
    for (const proof of [undefined, thief.prove(token, world.clock())])
      expect(await refresh(token, proof)).toEqual(refused('refresh_proof_invalid'))
  const newest = chain.at(-1) ?? ''
  expect(await isRevoked(newest)).toBe(false)
  expect(await refresh(newest, prove(newest))).toHaveProperty('token')
})

test('with a proof a token that comes too late ends the session: then the key is in two hands', async () => {
  const { rotate, prove } = await bind()
  const [first = '', , third = ''] = await rotate(2)
  world.clock.advance(60_000)
  expect(await refresh(first, prove(first))).toEqual(refused('refresh_token_reused'))
  expect(await refresh(third, prove(third))).toEqual(refused('refresh_token_invalid'))
  expect(await refresh(third)).toEqual(refused('refresh_proof_invalid'))
})

test('a bound token cannot be turned into one that needs no proof, nor the other way round', async () => {
  const { token, prove } = await bind()
  const stripped = `rt${token.slice(2)}`
  for (const proof of [undefined, prove(stripped)])
    expect(await refresh(stripped, proof)).toEqual(refused('refresh_token_invalid'))
  const unbound = await signIn()
  const dressed = `rb${unbound.slice(2)}`
  expect(await refresh(dressed, prove(dressed))).toEqual(refused('refresh_token_invalid'))
  expect(await isRevoked(token)).toBe(false)
})

test('a clock may be five minutes off, and one that is further off is told what time it is', async () => {
  const { device, token } = await bind()
  const provenAt = (offsetMs: number) => refresh(token, device.prove(token, world.clock() + offsetMs))
  for (const offsetMs of [-295_000, 295_000]) expect(await provenAt(offsetMs)).toHaveProperty('token')
  for (const offsetMs of [-305_000, 305_000, 3e15]) {
    const answer = await provenAt(offsetMs)
    expect(answer).toEqual(refused('refresh_proof_invalid'))
    expect(await refresh(token, device.prove(token, Date.parse(answer.serverTime)))).toHaveProperty('token')
  }
})

test('a refresh whose answer was lost is sent again, with the same proof or a new one, for the same successor', async () => {
  const { token, prove } = await bind()
  const proof = prove(token)
  const first = await refresh(token, proof)
  expect(await refresh(token, proof)).toEqual(first)
  world.clock.advance(200_000)
  expect(await refresh(token, prove(token))).toEqual(first)
  // The successor needs a proof of its own.
  expect(await refresh(first.token ?? '', proof)).toEqual(refused('refresh_proof_invalid'))
})

test('a session that is bound to nothing takes a proof for nothing, and is refreshed by one statement as ever', async () => {
  const token = await signIn()
  const { db } = world.database
  // What goes on behind, such as the relay, selects too, and never this column.
  const [selects, transactions] = [vi.spyOn(db, 'select'), vi.spyOn(db, 'transaction')]
  const statements = vi.spyOn(world.database, 'statement')
  const next = await refresh(token, makeDevice().prove(token, world.clock()))
  const keysRead = selects.mock.calls.filter(([columns]) => columns && 'deviceKey' in columns).length
  expect([keysRead, transactions.mock.calls.length, statements.mock.calls.length]).toEqual([0, 0, 1])
  for (const spy of [selects, transactions, statements]) spy.mockRestore()
  expect(next.token).toMatch(/^rt\./)
})

test('what is no public key of P-256 binds nothing: the sign-in is refused', async () => {
  const { deviceKey } = makeDevice()
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
  const encoded = (number: bigint) => Buffer.from(number.toString(16).padStart(64, '0'), 'hex').toString('base64url')
  const numberOf = (text: string) => BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`)
  // x = 5 is on the curve, and so would 5 + p be if numbers counted beyond the field.
  const y = 0x459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbccn
  expect(deviceKeySchema.safeParse({ ...deviceKey, x: encoded(5n), y: encoded(y) }).success).toBe(true)
  const keys = [
    { ...deviceKey, x: deviceKey.y, y: deviceKey.x },
    { ...deviceKey, y: encoded(numberOf(deviceKey.y) ^ 1n) },
    { ...deviceKey, x: encoded(0n), y: encoded(0n) },
    { ...deviceKey, x: encoded(5n + p), y: encoded(y) },
    { ...deviceKey, y: encoded(numberOf(deviceKey.y) % 2n ** 248n).slice(1) },
    { ...deviceKey, x: '' },
    { ...deviceKey, y: 'A' },
    { ...deviceKey, crv: 'P-384' },
    privateKey.export({ format: 'jwk' }),
  ]
  for (const key of keys) {
    const response = await world.askCore(authCall('/v1/auth/device', { deviceId: randomUUID(), deviceKey: key }))
    expect([response.status, JSON.parse(await response.text()).code]).toEqual([400, 'invalid_request'])
  }
  const { x, y: mirrored, ...rest } = deviceKey
  expect(deviceKeySchema.safeParse({ ...rest, x, y: encoded(p - numberOf(mirrored)) }).success).toBe(true)
})
