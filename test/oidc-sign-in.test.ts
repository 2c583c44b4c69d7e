import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { startWorld, type World } from './harness.ts'
import { startOidcIssuer } from './oidc-issuer.ts'

/** Of `infra/issuer-keys.ts`. */
const cooldownMs = 10_000

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Ways = 'google' | 'apple' | 'custom'
type Presented = { readonly idToken: string; readonly nonce?: string; readonly create?: boolean }

const signIn = async (way: Ways, presented: Presented, on: World = world) => {
  const client = on.client()
  switch (way) {
    case 'google':
      return (await client.signInWithGoogle({ body: presented })).body
    case 'apple':
      return (await client.signInWithApple({ body: presented })).body
    case 'custom':
      return (await client.signInWithCustom({ body: { provider: 'test', ...presented } })).body
  }
}
const link = ({ client }: Awaited<ReturnType<World['signIn']>>, way: Ways, presented: Presented) => {
  switch (way) {
    case 'google':
      return client.linkGoogle({ body: presented })
    case 'apple':
      return client.linkApple({ body: presented })
    case 'custom':
      return client.linkCustom({ body: { provider: 'test', ...presented } })
  }
}
const ways: readonly Ways[] = ['google', 'apple', 'custom']
const refusalOf = async (call: Promise<unknown>): Promise<CallError> => {
  const error = await call.catch((reason: unknown) => reason)
  if (!(error instanceof CallError)) throw new Error('it was not refused')
  return error
}
const codeOf = async (call: Promise<unknown>) => (await refusalOf(call)).code
const tokenOf = (sub: string, claims: object = {}) => world.issuer.token({ claims: { sub, ...claims } })

test.each(ways)(
  'by %s the first sign-in makes the player, and a later token of the same subject finds them',
  async (way) => {
    const sub = randomUUID()
    expect(await codeOf(signIn(way, { idToken: await tokenOf(sub), create: false }))).toBe('not_found')
    const first = await signIn(way, { idToken: await tokenOf(sub) })
    const again = await signIn(way, { idToken: await tokenOf(sub) })
    expect([first.created, again.created, again.player.id]).toEqual([true, false, first.player.id])
    expect((await signIn(way, { idToken: await tokenOf(randomUUID()) })).created).toBe(true)
  },
)

test('the same subject of two issuers is two players', async () => {
  const sub = randomUUID()
  const players = []
  for (const way of ways) players.push((await signIn(way, { idToken: await tokenOf(sub) })).player.id)
  expect(new Set(players).size).toBe(3)
})

test.each(ways)('by %s every forgery is refused with the same 401, and in a link with the same 403', async (way) => {
  const { forgeries } = world.issuer
  const guest = await world.signIn()
  const { 'no token': malformed, ...tokens } = await forgeries()
  expect(await codeOf(signIn(way, { idToken: malformed ?? '' }))).toBe('invalid_request')
  for (const [name, idToken] of Object.entries(tokens)) {
    const { status, code, problem } = await refusalOf(signIn(way, { idToken }))
    // One that ends in a dot has not the form of a token.
    const wanted = idToken.endsWith('.') ? [400, 'invalid_request'] : [401, 'credential_invalid']
    expect([name, status, code]).toEqual([name, ...wanted])
    if (code === 'credential_invalid') expect([name, problem?.detail]).toEqual([name, undefined])
  }
  for (const name of ['another audience', 'expired', 'another key under the known id'])
    expect(await codeOf(link(guest, way, { idToken: tokens[name] ?? '' }))).toBe('credential_refused')
})

test('a token with a nonce is of no use without it, and one without to nobody who has one', async () => {
  const nonce = 'made-up-for-this-sign-in'
  const hashed = createHash('sha256').update(nonce).digest('hex')
  const idToken = await tokenOf(randomUUID(), { nonce: hashed })
  expect(await codeOf(signIn('apple', { idToken }))).toBe('credential_invalid')
  expect(await codeOf(signIn('apple', { idToken, nonce: hashed }))).toBe('credential_invalid')
  expect(await codeOf(signIn('apple', { idToken: await tokenOf(randomUUID()), nonce }))).toBe('credential_invalid')
  expect((await signIn('apple', { idToken, nonce })).created).toBe(true)
})

test('of two first sign-ins at once one makes the player, and both are in', async () => {
  for (let round = 0; round < 5; round++) {
    const idToken = await tokenOf(randomUUID())
    const answers = await Promise.all([signIn('google', { idToken }), signIn('google', { idToken })])
    expect(answers.map(({ created }) => created).toSorted()).toEqual([false, true])
    expect(new Set(answers.map(({ player }) => player.id)).size).toBe(1)
  }
})

const startWith = async (
  withKeysAt: (issuer: { url: string; keysUrl: string }) => Readonly<Record<string, unknown>>,
) => {
  const issuer = await startOidcIssuer({ audience: 'app', algorithm: 'ES256', clock: Date.now })
  onTestFinished(issuer.stop)
  const started = await startWorld({ oidcIssuers: withKeysAt(issuer) })
  onTestFinished(started.stop)
  return { issuer, started }
}
const ownIssuer = ({ url, keysUrl }: { url: string; keysUrl: string }) => ({
  test: { issuer: url, keysUrl, audiences: ['app'], algorithms: ['ES256'] },
})

test('a flood of tokens of unknown keys fetches the keys once in ten seconds, and good ones go on', async () => {
  const { issuer, started } = await startWith(ownIssuer)
  const idToken = await issuer.token()
  await signIn('custom', { idToken }, started)
  const count = 200
  const flood = await Promise.all(
    Array.from({ length: count }, (_, at) => issuer.token({ header: { kid: `unknown-${at}` } })),
  )
  const pour = (tokens: readonly string[]) =>
    Promise.all(tokens.map((token) => codeOf(signIn('custom', { idToken: token }, started))))
  issuer.fetches.keys = 0
  const startedAt = performance.now()
  const codes = await pour(flood)
  await signIn('custom', { idToken }, started)
  const windows = 1 + Math.floor((performance.now() - startedAt) / cooldownMs)
  expect(new Set(codes)).toEqual(new Set(['credential_invalid']))
  expect(issuer.fetches.keys).toBeLessThanOrEqual(windows)
})

test('while an issuer’s keys cannot be had its players are asked to come back, and nobody else', async () => {
  const { issuer, started } = await startWith(ownIssuer)
  issuer.faults.status = 500
  const refusal = await refusalOf(signIn('custom', { idToken: await issuer.token() }, started))
  expect([refusal.status, refusal.code, refusal.headers.get('retry-after')]).toEqual([503, 'unavailable', '1'])
  expect(started.logLines.some((line) => line.includes('an ID token cannot be verified'))).toBe(true)
  await started.signIn()
})

test('a deployment believes no issuer that it was not told of, not even Google', async () => {
  const { issuer, started } = await startWith(() => ({}))
  const guest = await started.signIn()
  const presented = { idToken: await issuer.token() }
  for (const way of ways) {
    expect(await codeOf(signIn(way, presented, started))).toBe('provider_unknown')
    expect(await codeOf(link(guest, way, presented))).toBe('provider_unknown')
  }
})

test('why a token was refused is in the log, and nothing of the token', async () => {
  const sub = randomUUID()
  const idToken = await tokenOf(sub, { aud: 'another-app' })
  await refusalOf(signIn('google', { idToken }))
  const lines = world.logLines.filter((line) => line.includes('an ID token was refused'))
  expect(lines.some((line) => line.includes('aud'))).toBe(true)
  for (const line of lines) for (const part of [sub, 'another-app', idToken]) expect(line).not.toContain(part)
})
