import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { cellSchema, newId, type PlayerId, sessionIdSchema } from '#contract/ids.ts'
import { encodeToken, firstToken, parseToken, successorOf, tokenHash } from '#core/auth/refresh-token.ts'
import { createSecrets } from '#core/secrets.ts'
import { isLockTimeout } from '#db/errors.ts'
import { rotateNewest } from '#db/rotate.ts'
import { lockSession, rotateSession } from '#db/sessions.ts'
import { type CoreCall, signCoreCall } from './core-call.ts'
import { eventually } from './eventually.ts'
import { startWorld, type World } from './harness.ts'
import { meet, untilMet } from './locks.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const asClient = { kind: 'client', keyId: 'key_test' } as const

const authCall = (path: string, body: unknown): CoreCall => ({
  method: 'POST',
  path,
  principal: asClient,
  body: JSON.stringify(body),
})

/** At the core: an edge's clock is the machine's, and it would sign what a held clock finds too old. */
const refresh = async (refreshToken: string): Promise<{ status: number; answer: string }> => {
  const response = await world.askCore(authCall('/v1/auth/refresh', { refreshToken }))
  const body = JSON.parse(await response.text())
  return { status: response.status, answer: response.ok ? body.refreshToken : body.code }
}

const signIn = async (): Promise<{ token: string; playerId: PlayerId; accessToken: string }> => {
  const response = await world.askCore(authCall('/v1/auth/device', { deviceId: randomUUID() }))
  const { refreshToken, accessToken, player } = JSON.parse(await response.text())
  return { token: refreshToken, accessToken, playerId: player.id }
}

/** The tokens of one chain, each got with the one before. */
const rotate = async (first: string, times: number): Promise<string[]> => {
  const chain = [first]
  for (let at = 0; at < times; at++) {
    const { status, answer } = await refresh(chain[at] ?? '')
    expect(status).toBe(200)
    chain.push(answer)
  }
  return chain
}

const sessionIdOf = (token: string) => sessionIdSchema.parse(token.split('.')[1])

const sessionOf = async (token: string) => {
  const [row] = await world.sql`select generation, revoked_at from sessions where session_id = ${sessionIdOf(token)}`
  return { generation: row?.generation, revoked: row?.revoked_at !== null }
}

const ok = (answer: string | undefined) => ({ status: 200, answer })
const invalid = { status: 401, answer: 'refresh_token_invalid' }
const reused = { status: 401, answer: 'refresh_token_reused' }

test('500 refreshes of one token at once, at the edge and at the core, are answered with one successor', async () => {
  const { refreshToken } = await world.signIn()
  const client = world.client()
  const startedAt = performance.now()
  const atEdge = Array.from({ length: 100 }, async () => {
    const { status, body } = await client.refreshSession({ body: { refreshToken } })
    return { status, answer: body.refreshToken }
  })
  const answers = await Promise.all([...atEdge, ...Array.from({ length: 400 }, () => refresh(refreshToken))])
  expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  const successors = new Set(answers.map(({ answer }) => answer))
  expect(successors.size).toBe(1)
  expect(successors).not.toContain(refreshToken)
  expect(await sessionOf(refreshToken)).toEqual({ generation: 1, revoked: false })
  console.log(`refresh-race: 500 answers, 1 successor, ${Math.round(performance.now() - startedAt)} ms`)
})

test('a late twin of an earlier refresh never takes a session back to an older token', async () => {
  const { token } = await signIn()
  const links = 15
  const twins: ReturnType<typeof refresh>[] = []
  let newest = token
  for (let at = 0; at < links; at++) {
    // The first answer moves on at once; the other calls are under way while the next token is used already.
    const calls = Array.from({ length: 6 }, () => refresh(newest))
    twins.push(...calls)
    const { status, answer } = await Promise.race(calls)
    expect(status).toBe(200)
    newest = answer
  }
  for (const { status } of await Promise.all(twins)) expect(status).toBe(200)
  expect(await sessionOf(token)).toEqual({ generation: links, revoked: false })
  expect((await refresh(newest)).status).toBe(200)
})

test('who looks at a session while another changes it waits, and decides over what the other has left', async () => {
  const { db } = world.database
  const changed = { generation: 1, tokenHash: '0'.repeat(64), usedAtMs: [], expiresAt: new Date() }
  const { second, order } = await untilMet(async () => {
    const sessionId = sessionIdOf((await signIn()).token)
    const order: string[] = []
    const looked = Promise.withResolvers<void>()
    const first = db.transaction(async (tx) => {
      await lockSession(tx, sessionId)
      looked.resolve()
      const met = await meet(world, 1)
      order.push('the first changes it')
      await rotateSession(tx, sessionId, changed)
      return met
    })
    await looked.promise
    const second = await db
      .transaction((tx) => lockSession(tx, sessionId))
      .catch((error: unknown) => {
        if (!isLockTimeout(error)) throw error
      })
    order.push('the second sees it')
    return (await first) && second ? { second, order } : undefined
  })
  expect([second.generation, order]).toEqual([1, ['the first changes it', 'the second sees it']])
})

test('who is refreshed together with a session that another holds does not wait for it', async () => {
  const [held, free] = [await signIn(), await signIn()]
  const { database, secrets } = world
  const master = createSecrets(parseNamedKeys(secrets.masterKeys))
  const rotationOf = (text: string) => {
    const token = parseToken(master, text) ?? expect.fail('no token')
    const now = new Date(world.clock())
    const hashes = { from: tokenHash(token), to: tokenHash(successorOf(master, token)) }
    return { ...token, ...hashes, now, expiresAt: new Date(now.getTime() + 60_000), graceMs: 30_000 }
  }
  const rotated = await database.db.transaction(async (tx) => {
    await lockSession(tx, sessionIdOf(held.token))
    return rotateNewest(database, [rotationOf(held.token), rotationOf(free.token)])
  })
  expect(rotated).toEqual([undefined, { playerId: free.playerId, epoch: 0 }])
  expect((await refresh(held.token)).status).toBe(200)
  expect(await sessionOf(free.token)).toEqual({ generation: 1, revoked: false })
})

test('an answer that never arrives changes nothing: the same token gets the same successor and the session goes on', async () => {
  const { refreshToken } = await world.signIn()
  const call = authCall('/v1/auth/refresh', { refreshToken })
  const lost = Array.from({ length: 30 }, async (_, at) => {
    const headers = signCoreCall(call, world.secrets.edgeKeys, world.clock())
    const signal = AbortSignal.timeout(1 + 4 * at)
    return fetch(world.coreUrl + call.path, { method: call.method, headers, body: call.body ?? '', signal })
  })
  const outcomes = await Promise.allSettled(lost)
  await eventually(async () => (await sessionOf(refreshToken)).generation === 1, 2_000)
  const [, successor] = await rotate(refreshToken, 1)
  const [, next] = await rotate(successor ?? '', 1)
  expect(await refresh(successor ?? '')).toEqual(ok(next))
  expect(await sessionOf(refreshToken)).toEqual({ generation: 2, revoked: false })
  console.log(`${outcomes.filter(({ status }) => status === 'rejected').length} of 30 answers were lost on the way`)
})

test('each token of a chain is good for the next one, and each access token names the same player and session', async () => {
  const { token, accessToken } = await signIn()
  const chain = await rotate(token, 5)
  expect(new Set(chain).size).toBe(6)
  expect(new Set(chain.map(sessionIdOf)).size).toBe(1)
  const claims = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
  const response = await world.askCore(authCall('/v1/auth/refresh', { refreshToken: chain[5] }))
  const { sub, sid, cell, epoch } = claims(accessToken)
  expect(claims(JSON.parse(await response.text()).accessToken)).toMatchObject({ sub, sid, cell, epoch })
})

test('a token gets the same successor for as long as that is not used, and for 30 s after it was', async () => {
  const { token: first } = await signIn()
  const [, second = ''] = await rotate(first, 1)
  world.clock.advance(3_600_000)
  expect(await refresh(first)).toEqual(ok(second))
  const [, third] = await rotate(second, 1)
  world.clock.advance(29_000)
  expect(await refresh(first)).toEqual(ok(second))
  expect(await refresh(second)).toEqual(ok(third))
  expect(await sessionOf(first)).toEqual({ generation: 2, revoked: false })
})

test('reuse after that ends the session: every token of its chain is refused, and so are its writes', async () => {
  const { token, playerId } = await signIn()
  const chain = await rotate(token, 3)
  const patch = (): CoreCall => ({
    method: 'PATCH',
    path: '/v1/players/me',
    principal: { kind: 'player', playerId, sessionId: sessionIdOf(token), epoch: 0 },
    headers: { 'idempotency-key': randomUUID() },
    body: JSON.stringify({ displayName: 'Ada' }),
  })
  expect((await world.askCore(patch())).status).toBe(200)
  world.clock.advance(30_000)
  expect(await refresh(chain[0] ?? '')).toEqual(reused)
  expect(await sessionOf(token)).toMatchObject({ revoked: true })
  for (const link of chain.toReversed()) expect(await refresh(link)).toEqual(invalid)
  const refused = await world.askCore(patch())
  expect([refused.status, JSON.parse(await refused.text()).code]).toEqual([401, 'token_invalid'])
})

test('the end of one session leaves the player’s other sessions alone', async () => {
  const deviceId = randomUUID()
  const tokens = []
  for (let at = 0; at < 2; at++) {
    const response = await world.askCore(authCall('/v1/auth/device', { deviceId }))
    tokens.push(JSON.parse(await response.text()).refreshToken)
  }
  await rotate(tokens[0], 2)
  world.clock.advance(30_000)
  expect(await refresh(tokens[0])).toEqual(reused)
  expect((await refresh(tokens[1])).status).toBe(200)
})

test('three rotations within a second leave every token in its grace: each still gets its own successor', async () => {
  const { token } = await signIn()
  const chain = await rotate(token, 3)
  for (let at = 0; at < 3; at++) expect(await refresh(chain[at] ?? '')).toEqual(ok(chain[at + 1]))
  expect(await sessionOf(token)).toEqual({ generation: 3, revoked: false })
})

test('a token that was altered anywhere, or made up, is invalid and ends nothing', async () => {
  const { token: first } = await signIn()
  const [, , newest = ''] = await rotate(first, 2)
  // Late enough for the real one to count as reuse.
  world.clock.advance(40_000)
  // The last character carries two bits that mean something and four that do not; see the next test.
  for (let at = 0; at < first.length - 1; at++) {
    const other = first[at] === 'b' ? 'c' : 'b'
    expect([at, await refresh(first.slice(0, at) + other + first.slice(at + 1))]).toEqual([at, invalid])
  }
  const [rt, session, key, , secret, tag = ''] = first.split('.')
  const madeUp = [
    [rt, session, key, 1, secret, tag],
    [rt, session, key, 0, Buffer.alloc(32, 7).toString('base64url'), tag],
    [rt, session, key, 0, secret, Buffer.alloc(16).toString('base64url')],
    [rt, session, 'other', 0, secret, tag],
    [rt, session, key, 0, secret],
    ['not a token'],
  ]
  for (const parts of madeUp) expect([parts, await refresh(parts.join('.'))]).toEqual([parts, invalid])
  expect(await sessionOf(first)).toEqual({ generation: 2, revoked: false })
  expect((await refresh(newest)).status).toBe(200)
})

test('a token has one spelling: another one for the same bits is no token', async () => {
  const { token } = await signIn()
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = token.at(-1) ?? ''
  for (const other of alphabet.replace(last, ''))
    expect([other, await refresh(token.slice(0, -1) + other)]).toEqual([other, invalid])
})

test('a session that was not refreshed for its whole life has ended, and is not revoked by being asked for', async () => {
  const { token } = await signIn()
  const lifeMs = 90 * 24 * 3_600_000
  const [, second = ''] = await rotate(token, 1)
  await world.sql`update sessions set expires_at = ${new Date(world.clock() + 60_000)} where session_id = ${sessionIdOf(token)}`
  expect((await refresh(second)).status).toBe(200)
  const [row] = await world.sql`select expires_at from sessions where session_id = ${sessionIdOf(token)}`
  expect(Math.abs(row?.expires_at.getTime() - world.clock() - lifeMs)).toBeLessThan(5_000)
  await world.sql`update sessions set expires_at = ${new Date(world.clock() - 1)} where session_id = ${sessionIdOf(token)}`
  for (const late of [token, second]) expect(await refresh(late)).toEqual(invalid)
  expect(await sessionOf(token)).toMatchObject({ revoked: false })
})

test('a token of another cell is 421 with the cell that has it, and nothing is looked up', async () => {
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  const session = newId('session', cellSchema.parse('us1'), Date.now())
  const call = authCall('/v1/auth/refresh', { refreshToken: encodeToken(secrets, firstToken(secrets, session)) })
  const response = await world.askCore(call)
  expect([response.status, JSON.parse(await response.text())]).toMatchObject([
    421,
    { code: 'misdirected', cell: 'us1' },
  ])
})

test('any order of rotations, repeats and pauses is answered as the rule says', { timeout: 90_000 }, async () => {
  // Multiples of 7 s never come near 30 s, so the milliseconds that the calls take decide nothing.
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ present: fc.nat(8) }) },
    { weight: 2, arbitrary: fc.constant({ present: 0 }) },
    { weight: 1, arbitrary: fc.record({ pauseMs: fc.constantFrom(7_000, 14_000, 35_000) }) },
  )
  const seed = Date.now() % 2 ** 31
  const figures = { issued: 0, repeated: 0, reused: 0, invalid: 0 }
  const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
    const tokens = [(await signIn()).token]
    const usedAt: number[] = []
    let ended = false
    let now = 0
    for (const action of steps) {
      if ('pauseMs' in action) {
        world.clock.advance(action.pauseMs)
        now += action.pauseMs
        continue
      }
      // Counted from the newest, so that most steps rotate or repeat a young token.
      const at = Math.max(0, tokens.length - 1 - action.present)
      const got = await refresh(tokens[at] ?? '')
      const successorUsedAt = usedAt[at + 1]
      if (ended) {
        expect(got).toEqual(invalid)
        figures.invalid++
      } else if (at === tokens.length - 1) {
        expect(got.status).toBe(200)
        tokens.push(got.answer)
        usedAt[at] = now
        figures.issued++
      } else if (successorUsedAt === undefined || now < successorUsedAt + 30_000) {
        expect(got).toEqual(ok(tokens[at + 1]))
        figures.repeated++
      } else {
        expect(got).toEqual(reused)
        ended = true
        figures.reused++
      }
    }
    expect(new Set(tokens).size).toBe(tokens.length)
    expect((await sessionOf(tokens[0] ?? '')).revoked).toBe(ended)
  })
  await fc.assert(property, { seed, numRuns: 100 })
  console.log(`refresh-model: seed ${seed}, ${JSON.stringify(figures)}`)
})
