import { randomUUID } from 'node:crypto'
import { type HttpContestantOptions, httpContestant } from './http-contestant.ts'
import type { Contestant } from './measure.ts'
import type { CoreOptions } from './options.ts'
import { httpBytes } from './requests.ts'
import type { ScenarioName } from './scenarios.ts'

type Peer = NonNullable<CoreOptions['nakama']>

/** What a signed-in user holds. */
type User = { readonly device: string; readonly token: string; readonly refreshToken: string }

type Call = {
  readonly method: string
  readonly path: string
  readonly authorization: string
  readonly body?: unknown
}

/** As many as we have players would take a minute to sign in; what they touch fits into any cache in either case. */
const usersCount = 2_000
const signInsAtOnce = 32
const requestMaxMs = 5_000

const basic = (peer: Peer) => `Basic ${Buffer.from(`${peer.key}:`).toString('base64')}`

const authenticate = (peer: Peer, device: string): Call => ({
  method: 'POST',
  path: '/v2/account/authenticate/device?create=true',
  authorization: basic(peer),
  body: { id: device },
})

/** `version` is absent: the last write wins, as with a profile. Nakama takes the value as JSON text. */
const write = (user: User): Call => ({
  method: 'PUT',
  path: '/v2/storage',
  authorization: `Bearer ${user.token}`,
  body: {
    objects: [
      {
        collection: 'bench',
        key: 'profile',
        value: JSON.stringify({ displayName: `Player ${Math.floor(Math.random() * 1_000_000)}` }),
        permission_read: 2,
        permission_write: 1,
      },
    ],
  },
})

/**
 * The nearest call of Nakama's public API. Wallets change by its server runtime alone, so a storage write, which promises
 * less, stands beside a grant as well.
 */
const nearest: Readonly<Record<ScenarioName, { readonly what: string; call(peer: Peer, user: User): Call }>> = {
  'sign-in': { what: 'device authentication', call: (peer, { device }) => authenticate(peer, device) },
  register: { what: 'authentication of a new device', call: (peer) => authenticate(peer, randomUUID()) },
  refresh: {
    what: 'session refresh',
    call: (peer, { refreshToken }) => ({
      method: 'POST',
      path: '/v2/account/session/refresh',
      authorization: basic(peer),
      body: { token: refreshToken },
    }),
  },
  grant: { what: 'storage write', call: (_, user) => write(user) },
  'profile-change': { what: 'storage write', call: (_, user) => write(user) },
  'profile-read': {
    what: 'account read',
    call: (_, { token }) => ({ method: 'GET', path: '/v2/account', authorization: `Bearer ${token}` }),
  },
}

/**
 * A running Nakama under the same load. Its users are signed in anew before each phase, because its access tokens may live
 * no longer than a minute.
 * @see https://github.com/heroiclabs/nakama/blob/master/apigrpc/apigrpc.swagger.json
 */
export const nakamaContestant = (scenario: ScenarioName, peer: Peer): Contestant => {
  const { what, call } = nearest[scenario]
  const server = peer.pids.server === undefined ? {} : { server: peer.pids.server }
  const options: HttpContestantOptions = {
    name: `Nakama, ${what}`,
    address: { host: peer.url.hostname.replace(/^\[|\]$/g, ''), port: Number(peer.url.port || 80) },
    processes: peer.pids.postgres === undefined ? server : { ...server, behind: [peer.pids.postgres] },
    source: {
      build: async (count) => {
        const users = await signIn(peer)
        return Array.from({ length: count }, (_, index) => {
          const user = users[index % users.length]
          if (!user) throw new Error('there are no users')
          return bytesOf(call(peer, user))
        })
      },
    },
  }
  return httpContestant(options)
}

const bytesOf = ({ method, path, authorization, body }: Call): Buffer => {
  const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  return httpBytes({ method, path, headers, body: Buffer.from(body === undefined ? '' : JSON.stringify(body)) })
}

const signIn = async (peer: Peer): Promise<readonly User[]> => {
  const devices = Array.from({ length: usersCount }, (_, index) => `perigee-bench-device-${index}`)
  const users: User[] = []
  const work = async () => {
    for (let device = devices.pop(); device !== undefined; device = devices.pop())
      users.push(await signInOne(peer, device))
  }
  await Promise.all(Array.from({ length: signInsAtOnce }, work))
  return users
}

/** @throws Error when Nakama refuses, or answers with no session */
const signInOne = async (peer: Peer, device: string): Promise<User> => {
  const { method, path, authorization, body } = authenticate(peer, device)
  const response = await fetch(new URL(path, peer.url), {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(requestMaxMs),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`Nakama answered ${response.status} to a device authentication: ${text}`)
  const { token, refresh_token: refreshToken } = JSON.parse(text) as { token?: unknown; refresh_token?: unknown }
  if (typeof token !== 'string' || typeof refreshToken !== 'string') throw new Error('Nakama gave no session')
  return { device, token, refreshToken }
}
