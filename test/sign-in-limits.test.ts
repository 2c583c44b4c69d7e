import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest'
import { sessionSchema } from '#contract/auth.ts'
import { networkOf } from '#contract/network.ts'
import { createKnownNetworks } from '#core/known-networks.ts'
import { createAbsentRedis } from '#infra/no-redis.ts'
import type { CoreCall } from './core-call.ts'
import { startCoreProcess } from './core-process.ts'
import { createCountedDerive } from './counted-derive.ts'
import { startWorld, type World } from './harness.ts'
import { addressOf } from './valid-call.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** Of `core/auth/guess-limits.ts`. */
const perNetwork = 10
const perAccount = 100

/** Fewer than may wait for a hash. */
const atOnce = 20

const hashes = createCountedDerive()

let world: World
beforeAll(async () => {
  world = await startWorld({ derive: hashes.derive })
})
afterAll(() => world?.stop())

type Account = { readonly email: string; readonly password: string; readonly create?: boolean }
type Ask = (call: CoreCall) => Promise<Response>
const wrong = 'not the phrase it is'

const attempt = (from: string, account: Account, ask: Ask = world.askCore) =>
  ask({
    method: 'POST',
    path: '/v1/auth/email',
    principal: { kind: 'client', keyId: 'key' },
    headers: { 'perigee-address': from },
    body: JSON.stringify(account),
  })
const statusOf = async (...parameters: Parameters<typeof attempt>) => (await attempt(...parameters)).status
/** How many of so many guesses at once, each from the next of these networks, were looked at; the others are 429. */
const guess = async (account: Account, from: readonly string[], ask?: Ask): Promise<number> => {
  const statuses: number[] = []
  for (let at = 0; at < from.length; at += atOnce) {
    const batch = from.slice(at, at + atOnce)
    statuses.push(...(await Promise.all(batch.map((one) => statusOf(one, { ...account, password: wrong }, ask)))))
  }
  for (const status of statuses) expect([401, 429]).toContain(status)
  return statuses.filter((status) => status === 401).length
}
/** At most a minute. */
const expectAskedToWait = ({ status, headers }: Response) => {
  const seconds = Number(headers.get('retry-after'))
  expect([status, seconds > 0 && seconds <= 60]).toEqual([429, true])
}
const times = (count: number, from: string) => Array.from({ length: count }, () => from)
/** Networks that nobody else of these tests is in. */
const networks = (count: number, within: number) =>
  Array.from({ length: count }, (_, at) => `10.${within}.${at >> 8}.${at & 255}`)

/**
 * An account that was opened from `home`, and what its session can do. Past the edge, which goes by the machine's clock.
 */
const makeAccount = async (home: string) => {
  const account = addressOf(randomUUID())
  const { accessToken, refreshToken } = sessionSchema.parse(await (await attempt(home, account)).json())
  // Signing up was a guess from nowhere known.
  world.clock.advance(minuteMs)
  const { sub, sid, epoch } = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString())
  const ask = async (call: CoreCall) => (await world.askCore(call)).status
  return {
    account,
    changePassword: (body: object) =>
      ask({
        method: 'PUT',
        path: '/v1/players/me/password',
        principal: { kind: 'player', playerId: sub, sessionId: sid, epoch },
        body: JSON.stringify(body),
      }),
    refresh: () =>
      ask({
        method: 'POST',
        path: '/v1/auth/refresh',
        principal: { kind: 'client', keyId: 'key' },
        body: JSON.stringify({ refreshToken }),
      }),
  }
}

test('an address counts by its network: IPv4 itself, IPv6 by its first 64 bits, in whatever form', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9%eth0', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['unknown', 'unknown'],
    ['not:an:address', 'not:an:address'],
  ] as const)
    expect([address, networkOf(address)]).toEqual([address, network])
})

// Before the world's clock is moved: processes go by the machine's, and take nothing that was signed at another time.
const startCore = async (settings: Record<string, string>) => {
  const core = await startCoreProcess(world, settings)
  onTestFinished(core.stop)
  return core
}

test('instances over one Redis share what is left, and what is known', async () => {
  const REDIS_URL = inject('redisUrl') ?? expect.fail('there is a Redis')
  const cores = [await startCore({ REDIS_URL }), await startCore({ REDIS_URL })]
  const [one, two] = cores.map((core): Ask => core.ask) as [Ask, Ask]
  const [home, away] = ['192.0.2.12', '192.0.2.112']
  const account = addressOf(randomUUID())
  expect(await statusOf(home, account, one)).toBe(200)
  const from = times(6, '198.51.100.12')
  expect((await guess(account, from, one)) + (await guess(account, from, two))).toBe(perNetwork)
  // Of the rest each is looked at by a third instance, whose hashes cost nothing; the sign-up was one.
  expect(await guess(account, networks(140, 8))).toBe(perAccount - perNetwork - 1)
  expect([await statusOf(home, account, two), await statusOf(away, account, two)]).toEqual([200, 429])
})

test('without Redis each instance counts for itself', async () => {
  const account = addressOf(randomUUID())
  for (const core of [await startCore({}), await startCore({})])
    expect(await guess({ ...account, create: false }, times(15, '198.51.100.13'), core.ask)).toBe(perNetwork)
})

test('without Redis an instance knows the networks that it saw', async () => {
  const known = createKnownNetworks(createAbsentRedis())
  const visit = { account: 'account', network: 'home', now: new Date() }
  await known.remember(visit)
  expect([await known.isKnown(visit), await known.isKnown({ ...visit, network: 'away' })]).toEqual([true, false])
  expect(await createKnownNetworks(createAbsentRedis()).isKnown(visit)).toBe(false)
})

/** Only what reads the time is held; it moves when it is told to. */
const holdClock = () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

test('who is signed in guesses at the own password no more often than anybody', async () => {
  holdClock()
  const home = '192.0.2.11'
  const { account, changePassword } = await makeAccount(home)
  const body = { password: wrong, newPassword: 'another lasting phrase' }
  hashes.count = 0
  const statuses = await Promise.all(Array.from({ length: 15 }, () => changePassword(body)))
  expect(statuses.toSorted()).toEqual([...Array(perNetwork).fill(403), ...Array(5).fill(429)])
  expect(hashes.count).toBe(perNetwork)
  expect(await statusOf(home, account)).toBe(200)
})

test('from one network ten guesses at an account are looked at, then one a minute, and the others cost no hash', async () => {
  holdClock()
  const attacker = '198.51.100.1'
  for (const account of [(await makeAccount('192.0.2.1')).account, { ...addressOf(randomUUID()), create: false }]) {
    hashes.count = 0
    expect(await guess(account, times(40, attacker))).toBe(perNetwork)
    expect(hashes.count).toBe(perNetwork)
    const refused = await attempt(attacker, account)
    expectAskedToWait(refused)
    world.clock.advance(minuteMs)
    expect(await guess(account, times(5, attacker))).toBe(1)
  }
})

test('whoever has a whole network of IPv6 addresses guesses no more often', async () => {
  holdClock()
  const { account } = await makeAccount('192.0.2.1')
  const ofOne = Array.from({ length: 40 }, (_, at) => `2001:db8:1:2::${at.toString(16)}`)
  expect(await guess(account, ofOne)).toBe(perNetwork)
  expect(await guess(account, ['2001:db8:1:3::1'])).toBe(1)
})

test('from a thousand networks a hundred guesses are looked at, and the owner comes in from home meanwhile', async () => {
  holdClock()
  const home = '192.0.2.7'
  const { account, changePassword, refresh } = await makeAccount(home)
  hashes.count = 0
  expect(await guess(account, networks(1_000, 1))).toBe(perAccount)
  expect(hashes.count).toBe(perAccount)
  expect(await statusOf(home, account)).toBe(200)
  // What is signed in needs no password, and whoever is signed in may change it.
  const changed = { ...account, password: 'another lasting phrase' }
  expect(await changePassword({ password: account.password, newPassword: changed.password })).toBe(200)
  expect(await refresh()).toBe(200)
  // Who is locked out: the owner where they never were, for a minute after the attack at the most.
  const away = '192.0.2.99'
  const refused = await attempt(away, changed)
  expectAskedToWait(refused)
  world.clock.advance(minuteMs)
  expect(await statusOf(away, changed)).toBe(200)
  expect(await guess(account, networks(20, 2))).toBe(0)
  // From there they are known now.
  expect(await statusOf(away, changed)).toBe(200)
})

test('in an hour of attack from ever new networks sixty more guesses are looked at, and home is open all the time', async () => {
  holdClock()
  const home = '192.0.2.8'
  const { account } = await makeAccount(home)
  expect(await guess(account, networks(120, 3))).toBe(perAccount)
  let looked = 0
  for (let minute = 0; minute < 60; minute++) {
    world.clock.advance(minuteMs)
    looked += await guess(
      account,
      networks(10, 4).map((network) => network.replace(/\d+$/, String(minute))),
    )
    expect(await statusOf(home, account)).toBe(200)
  }
  expect(looked).toBe(60)
})

test('a network is known for thirty days after the account was last opened there, and a wrong password makes none known', async () => {
  holdClock()
  const home = '192.0.2.9'
  const { account } = await makeAccount(home)
  const tried = '192.0.2.10'
  await guess(account, [tried])
  await guess(account, networks(120, 5))
  expect(await statusOf(tried, account)).toBe(429)
  world.clock.advance(29 * dayMs)
  await guess(account, networks(120, 6))
  expect(await statusOf(home, account)).toBe(200)
  world.clock.advance(30 * dayMs)
  await guess(account, networks(120, 7))
  expect(await statusOf(home, account)).toBe(429)
})
