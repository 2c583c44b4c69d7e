import { randomUUID } from 'node:crypto'
import { fill, type Route } from '#contract/route.ts'
import { routes } from '#contract/routes.ts'
import type { SignedIn, World } from './harness.ts'
import { contentExamples } from './spare-content.ts'
import type { SpareOperator } from './spare-operators.ts'
import { type SpareSessions, sparePassword } from './spare-sessions.ts'

/** A request to a route, in parts that a test can spoil. */
export type Call = {
  readonly name: string
  readonly route: Route
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Who is there to call and to be called upon. */
export type Cast = {
  readonly world: World
  readonly player: SignedIn
  /** For calls that end the session that they are made in; whoever makes none needs none. */
  readonly spares?: SpareSessions
}

type Example = {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** In whose name it is called; the player's or the world's operator's, if absent. */
  readonly accessToken?: string
}

/** What the routes need that take something. A route that takes nothing needs no example. */
const examples: Readonly<Record<string, (cast: Cast) => Example>> = {
  signInWithDevice: () => ({ body: { deviceId: randomUUID() } }),
  signInWithEmail: () => ({ body: addressOf(randomUUID()) }),
  signInWithGoogle: ({ world }) => ({ body: { idToken: newIdToken(world) } }),
  signInWithApple: ({ world }) => ({ body: { idToken: newIdToken(world) } }),
  signInWithCustom: ({ world }) => ({ body: { provider: 'test', idToken: newIdToken(world) } }),
  linkDevice: (cast) => ofSpare(cast, { body: { deviceId: randomUUID() } }),
  linkEmail: (cast) => ofSpare(cast, { body: addressOf(randomUUID()) }),
  linkGoogle: (cast) => ofSpare(cast, { body: { idToken: newIdToken(cast.world) } }),
  linkApple: (cast) => ofSpare(cast, { body: { idToken: newIdToken(cast.world) } }),
  linkCustom: (cast) => ofSpare(cast, { body: { provider: 'test', idToken: newIdToken(cast.world) } }),
  unlink: (cast) => ofSpare(cast, { params: { provider: 'device' } }),
  changePassword: (cast) => ofSpare(cast, { body: { password: sparePassword, newPassword: 'another lasting phrase' } }),
  refreshSession: ({ player }) => ({ body: { refreshToken: player.refreshToken } }),
  updateOwnProfile: () => ({ body: { displayName: 'Ada' } }),
  getProfile: ({ player }) => ({ params: { playerId: player.playerId } }),
  createWalletTransaction: ({ player }) => ({
    params: { playerId: player.playerId },
    body: { changes: [{ currency: 'coins', amount: 1 }], reason: 'test' },
  }),
  createWalletTransactions: ({ player: { playerId } }) => ({
    body: { transactions: [{ playerId, changes: [{ currency: 'coins', amount: 1 }], reason: 'test' }] },
  }),
  evaluateAs: () => ({ body: { context: { targetingKey: 'ada' }, known: { 'edge.country': 'FR' } } }),
  recordExposures: () => ({
    body: { exposures: [{ experiment: 'new-shop', run: 1, variant: 'on', unit: randomUUID() }] },
  }),
  // Once for each player: who is in, or has claimed, is answered as the first time.
  joinLiveEvent: (cast) => ofSpare(cast, { params: { runId: 'long-fest.1' }, body: {} }),
  claimLiveEvent: (cast) => ofSpare(cast, { params: { runId: 'long-fest.1' }, body: {} }),
  endOwnSession: (cast) => {
    const { sessionId, accessToken } = sparesOf(cast).next()
    return { params: { sessionId }, accessToken }
  },
  logOut: (cast) => ({ body: {}, accessToken: sparesOf(cast).next().accessToken }),
  deleteOwnAccount: (cast) => ({ accessToken: sparesOf(cast).next().accessToken }),
  getPlayerRecord: ({ player }) => ({ params: { playerId: player.playerId } }),
  banPlayer: (cast) => ({ params: spareParams(cast), body: { reason: 'test' } }),
  unbanPlayer: (cast) => ({ params: spareParams(cast) }),
  deletePlayer: (cast) => ({ params: spareParams(cast) }),
  mergeAccounts: (cast) => ({ body: { refreshToken: sparesOf(cast).next().refreshToken } }),
  createOperatorSession: (cast) => ({ body: credentialOf(sparesOf(cast).nextOperator()) }),
  endOperatorSession: (cast) => ({ accessToken: sparesOf(cast).nextOperator().key }),
  ...contentExamples,
  evaluateFlags: () => ({ body: { context: { targetingKey: randomUUID(), level: 12 } } }),
  evaluateFlag: () => ({ params: { key: 'new-shop' }, body: { context: { targetingKey: randomUUID(), level: 12 } } }),
  getDocsFile: () => ({ params: { file: 'swagger-ui.css' } }),
  getErrorPage: () => ({ params: { file: 'not_found.md' } }),
}

/** An address of its own, and a password. */
export const addressOf = (name: string) => ({ email: `${name}@mail.example`, password: 'a lasting phrase' })

/** Of somebody whom the issuer has not vouched for before. */
export const newIdToken = (world: World): string => world.issuer.tokenNow({ sub: randomUUID() })

/** The example in the name of a player who signs in by device and by address, and of whom nobody else does anything. */
const ofSpare = (cast: Cast, example: Example): Example => ({
  ...example,
  accessToken: sparesOf(cast).next().accessToken,
})

const sparesOf = ({ spares }: Cast): SpareSessions => {
  if (!spares) throw new Error('a call that ends its session needs spares: have makeSpareSessions make some')
  return spares
}

/** A player whom nobody misses. */
const spareParams = (cast: Cast) => ({ playerId: sparesOf(cast).next().playerId })

const credentialOf = ({ secret, code }: SpareOperator) => ({ secret, code: code() })

export const table: readonly (readonly [name: string, route: Route])[] = Object.entries<Route>(routes)

/** A call that succeeds. @throws Error for a route that takes something and has no example */
export const validCall = (cast: Cast, name: string, over: Example = {}): Call => {
  const route = table.find(([known]) => known === name)?.[1]
  if (!route) throw new Error(`the table has no route ${name}`)
  const example = { ...examples[name]?.(cast), ...over }
  if ((route.params && !example.params) || (route.body && !example.body))
    throw new Error(`${name} takes something: give it an example in test/valid-call.ts`)
  const writes = route.delivery.kind === 'forwarded' && route.delivery.idempotencyKey !== 'none'
  return {
    name,
    route,
    path: fill(route.path, example.params ?? {}) + (example.query ? `?${new URLSearchParams(example.query)}` : ''),
    headers: {
      ...credentialsOf(cast, route, example.accessToken),
      ...(writes ? { 'idempotency-key': randomUUID() } : {}),
      ...(route.precondition ? { 'if-match': '*' } : {}),
      ...(route.body ? { 'content-type': 'application/json' } : {}),
    },
    body: example.body === undefined ? undefined : JSON.stringify(example.body),
  }
}

const credentialsOf = ({ world, player }: Cast, { access }: Route, accessToken?: string): Record<string, string> => {
  switch (access) {
    case 'public':
      return {}
    case 'client':
    case 'app':
      return { 'x-api-key': world.keys.publishable }
    case 'player':
      return { authorization: `Bearer ${accessToken ?? player.accessToken}` }
    case 'server':
      return { authorization: `Bearer ${world.keys.server}` }
    case 'operator':
      return { authorization: `Bearer ${accessToken ?? world.keys.operator}` }
  }
}

/** A call with other headers; undefined takes one away. */
export const withHeaders = (call: Call, changes: Readonly<Record<string, string | undefined>>): Call => {
  const headers = Object.entries({ ...call.headers, ...changes })
  return { ...call, headers: Object.fromEntries(headers.flatMap(([k, v]) => (v === undefined ? [] : [[k, v]]))) }
}

/** Whom an access token is of. */
export const callerOf = ({ headers }: Call): string =>
  JSON.parse(Buffer.from(headers.authorization?.split('.')[1] ?? '', 'base64url').toString()).sub

export const withBody = (call: Call, body: string): Call => ({ ...call, body })

export const requestOf = (baseUrl: string, { route, path, headers, body }: Call): Request =>
  new Request(baseUrl + path, { method: route.method, headers, ...(body === undefined ? {} : { body }) })
