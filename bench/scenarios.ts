import { randomUUID } from 'node:crypto'
import type { NamedKey } from '#contract/edge-request.ts'
import { encodeToken, type RefreshToken, successorOf } from '#core/auth/refresh-token.ts'
import type { Secrets } from '#core/secrets.ts'
import type { RequestSource } from './http-contestant.ts'
import { deviceIdOf, firstSecretOf, playerIdOf, playersCount, sessionIdOf } from './prefill.ts'
import { type Call, requestBytes } from './requests.ts'

/** The hot paths of a core, in the order in which a client meets them. */
export const scenarioNames = ['sign-in', 'register', 'refresh', 'grant', 'profile-change', 'profile-read'] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** What requests are made with. */
export type Credentials = {
  readonly cell: string
  readonly edgeKey: NamedKey
  readonly secrets: Secrets
  readonly serverKey: string
  readonly publishableKeyId: string
}

/** The requests of a scenario. Those of `refresh` are a chain: one source a database. */
export const sourceOf = (name: ScenarioName, credentials: Credentials): RequestSource => {
  const { cell, edgeKey: key } = credentials
  // Dated for the middle of the time in which they are sent: a core takes a signature for 30 s before and after its date.
  const sign = (calls: readonly Call[], forMs: number) => {
    const signedAt = Date.now() + Math.round(forMs / 2)
    return calls.map((call) => requestBytes(call, { key, cell }, signedAt))
  }
  if (name === 'refresh') return refreshes(credentials, sign)
  const make = makers[name]
  return {
    build: (count, forMs) =>
      sign(
        Array.from({ length: count }, () => make(credentials, anyPlayer())),
        forMs,
      ),
  }
}

const anyPlayer = () => 1 + Math.floor(Math.random() * playersCount)

const principalOf = (number: number) =>
  ({ kind: 'player', playerId: playerIdOf(number), sessionId: sessionIdOf(number), epoch: 0 }) as const

const makers: Record<Exclude<ScenarioName, 'refresh'>, (credentials: Credentials, number: number) => Call> = {
  'sign-in': ({ publishableKeyId }, number) => ({
    method: 'POST',
    path: '/v1/auth/device',
    principal: { kind: 'client', keyId: publishableKeyId },
    body: JSON.stringify({ deviceId: deviceIdOf(number), create: false }),
  }),
  register: ({ publishableKeyId }) => ({
    method: 'POST',
    path: '/v1/auth/device',
    principal: { kind: 'client', keyId: publishableKeyId },
    body: JSON.stringify({ deviceId: randomUUID() }),
  }),
  grant: ({ serverKey }, number) => ({
    method: 'POST',
    path: `/v1/players/${playerIdOf(number)}/wallet/transactions`,
    principal: { kind: 'server' },
    headers: { authorization: `Bearer ${serverKey}`, 'idempotency-key': randomUUID() },
    body: JSON.stringify({ changes: [{ currency: 'coins', amount: 1 }], reason: 'bench' }),
  }),
  'profile-change': (_, number) => ({
    method: 'PATCH',
    path: '/v1/players/me',
    principal: principalOf(number),
    headers: { 'idempotency-key': randomUUID() },
    body: JSON.stringify({ displayName: `Player ${Math.floor(Math.random() * 1_000_000)}` }),
  }),
  // Who reads is not who is read.
  'profile-read': (_, number) => ({
    method: 'GET',
    path: `/v1/players/${playerIdOf(number)}`,
    principal: principalOf(anyPlayer()),
  }),
}

/** Each request presents the newest token of the next session, so that every one rotates a chain. */
const refreshes = (
  { secrets, publishableKeyId }: Credentials,
  sign: (calls: readonly Call[], forMs: number) => readonly Buffer[],
): RequestSource => {
  const newest: RefreshToken[] = Array.from({ length: playersCount }, (_, index) => ({
    sessionId: sessionIdOf(index + 1),
    bound: false,
    keyId: secrets.newest,
    generation: 0,
    secret: firstSecretOf(index + 1),
  }))
  let position = 0

  /** The next tokens, and what each session would have after them. */
  const walk = (count: number) => {
    const tokens: RefreshToken[] = []
    const after = new Map<number, RefreshToken>()
    for (let step = 0; step < count; step++) {
      const index = (position + step) % playersCount
      const token = after.get(index) ?? newest[index]
      if (!token) throw new Error('a session has no token')
      tokens.push(token)
      after.set(index, successorOf(secrets, token))
    }
    return { tokens, after }
  }
  const callOf = (token: RefreshToken): Call => ({
    method: 'POST',
    path: '/v1/auth/refresh',
    principal: { kind: 'client', keyId: publishableKeyId },
    body: JSON.stringify({ refreshToken: encodeToken(secrets, token) }),
  })

  return {
    build: (count, forMs) => sign(walk(count).tokens.map(callOf), forMs),
    sent: (count) => {
      for (const [index, token] of walk(count).after) newest[index] = token
      position += count
    },
  }
}
