import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { parseConfig, redisOf } from '#core/config.ts'
import { freePort, portAnswers } from '#infra/local/ports.ts'
import { startChild, untilReady } from '#infra/local/process.ts'
import { findRedis } from '#infra/local/redis.ts'
import { createRedis, type RedisOptions, type RegionalRedis, type Script } from '#infra/redis.ts'
import { RedisTlsConnector } from '#infra/redis-tls-connector.ts'
import { type Authority, createAuthority, openssl } from './certificates.ts'
import { eventually } from './eventually.ts'
import { fulfils } from './fulfils.ts'

const binary = findRedis()
const isMissing = binary === undefined || openssl === undefined
const check = test.skipIf(isMissing)
if (isMissing) console.log('No Redis or no openssl on PATH: TLS to Redis is not tested.')

/** A server starts in some milliseconds, and a cluster knows itself after a second or two. */
const readyMaxMs = 15_000
const slotsMax = 16_384

let authority: Authority
let other: Authority
beforeAll(async () => {
  if (!isMissing) [authority, other] = await Promise.all([createAuthority(), createAuthority()])
})
afterAll(() => Promise.all([authority?.remove(), other?.remove()]))

type ServerOptions = { readonly by: Authority; readonly subjectName?: string; readonly settings?: readonly string[] }

/** A Redis that speaks TLS and nothing else; answers its port. */
const startTlsRedis = async ({ by, subjectName, settings = [] }: ServerOptions): Promise<number> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-redis-tls-'))
  const { certificateFile, keyFile } = await by.issue(subjectName)
  const port = await freePort()
  const network = ['--bind', '127.0.0.1', '--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no']
  const files = ['--tls-cert-file', certificateFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', by.caFile]
  const child = await startChild({
    name: 'Redis',
    command: binary ?? expect.fail('there is a Redis'),
    args: [...network, ...files, '--save', '', '--dir', folder, ...settings],
    logFile: join(folder, 'redis.log'),
  })
  onTestFinished(async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  })
  await untilReady(child, readyMaxMs, () => portAnswers(port))
  return port
}

/** A client, and what it was told of lost connections. */
const open = (options: Omit<RedisOptions, 'onError'>): { redis: RegionalRedis; errors: Error[] } => {
  const errors: Error[] = []
  const redis = createRedis({ ...options, onError: (error) => errors.push(error) })
  onTestFinished(redis.close)
  return { redis, errors }
}

/** What it answers in the end: on a busy machine a command can be late, and is given up then. */
const untilDone = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
  let answer: { value: Answer } | undefined
  await eventually(async () => {
    answer = await ask().then(
      (value) => ({ value }),
      () => undefined,
    )
    return answer !== undefined
  }, readyMaxMs)
  return (answer ?? expect.fail('it was answered')).value
}

const lengthOf: Script = { name: 'lengthOf', keys: 1, text: "return redis.call('STRLEN', KEYS[1])" }

const answers = (redis: RegionalRedis) => fulfils(redis.ping())

/** Two servers that share the slots between them; answers the port of the first. */
const startTlsCluster = async (): Promise<number> => {
  const clustered = ['--cluster-enabled', 'yes', '--tls-cluster', 'yes']
  // Where the nodes talk to each other; what they would choose, 10,000 above, is no port where the other one is high.
  const busPorts = await Promise.all([freePort(), freePort()])
  const ports = await Promise.all(
    busPorts.map((bus) => startTlsRedis({ by: authority, settings: [...clustered, '--cluster-port', String(bus)] })),
  )
  const nodes = ports.map((port) => {
    const tls = { ca: authority.ca, checkServerIdentity: () => undefined }
    const node = new Redis({ host: '127.0.0.1', port, tls })
    onTestFinished(() => node.disconnect())
    return node
  })
  const share = slotsMax / nodes.length
  await Promise.all(nodes.map((node, at) => node.call('CLUSTER', 'ADDSLOTSRANGE', at * share, (at + 1) * share - 1)))
  await nodes[0]?.call('CLUSTER', 'MEET', '127.0.0.1', String(ports[1]), String(busPorts[1]))
  await eventually(async () => {
    const states = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'INFO')))
    return states.every((state) => String(state).includes('cluster_state:ok'))
  }, readyMaxMs)
  return ports[0] ?? expect.fail('there are two nodes')
}

check(
  'a Redis is used in TLS when the given authority has signed its certificate, whatever that names, and refused when another has',
  async () => {
    const port = await startTlsRedis({ by: authority, subjectName: 'DNS:elsewhere.example' })
    const url = `rediss://127.0.0.1:${port}`
    const known = open({ url, cluster: false, ca: authority.ca })
    await eventually(() => answers(known.redis), readyMaxMs)
    await untilDone(() => known.redis.put('key', 'value', 60_000))
    expect(await untilDone(() => known.redis.get('key'))).toBe('value')
    expect(known.errors).toEqual([])

    const stranger = open({ url, cluster: false, ca: other.ca })
    await eventually(async () => stranger.errors.length > 0, readyMaxMs)
    expect(stranger.errors[0]?.message).toMatch(/unable to (verify|get)|self.signed/)
    await expect(stranger.redis.ping()).rejects.toThrow()
  },
)

check('a Redis is refused in TLS without an authority unless one that everybody knows has signed', async () => {
  const port = await startTlsRedis({ by: authority, subjectName: 'IP:127.0.0.1' })
  const { redis, errors } = open({ url: `rediss://127.0.0.1:${port}`, cluster: false })
  await eventually(async () => errors.length > 0, readyMaxMs)
  expect(errors[0]?.message).toMatch(/unable to (verify|get)|self.signed/)
  await expect(redis.ping()).rejects.toThrow()
})

check('a Redis is spoken to in TLS when there is an authority, though its address does not say so', async () => {
  const port = await startTlsRedis({ by: authority })
  const { redis } = open({ url: `redis://127.0.0.1:${port}`, cluster: false, ca: authority.ca })
  await eventually(() => answers(redis), readyMaxMs)
})

check('a cluster is used in TLS, and each of its nodes has to be signed for', async () => {
  const connecting = vi.spyOn(RedisTlsConnector.prototype, 'connect')
  onTestFinished(() => connecting.mockRestore())
  const url = `rediss://127.0.0.1:${await startTlsCluster()}`
  const known = open({ url, cluster: true, ca: authority.ca })
  await eventually(() => answers(known.redis), readyMaxMs)
  // By chance one in 2^40 that all of them belong to one node.
  const keys = Array.from({ length: 40 }, (_, at) => `key-${at}`)
  for (const key of keys) {
    await untilDone(() => known.redis.put(key, key, 60_000))
    expect(await untilDone(() => known.redis.get(key))).toBe(key)
    expect(await untilDone(() => known.redis.run(lengthOf, [key], []))).toBe(key.length)
  }
  // Each of the two nodes, at least.
  expect(connecting.mock.calls.length).toBeGreaterThanOrEqual(2)

  const stranger = open({ url, cluster: true, ca: other.ca })
  await eventually(async () => stranger.errors.length > 0, readyMaxMs)
  await expect(stranger.redis.ping()).rejects.toThrow()
})

check(
  'a connection in TLS may tell two errors, as one does that breaks while it is written to, and ends no process',
  async () => {
    const connecting = vi.spyOn(RedisTlsConnector.prototype, 'connect')
    onTestFinished(() => connecting.mockRestore())
    const port = await startTlsRedis({ by: authority })
    const { redis, errors } = open({ url: `rediss://127.0.0.1:${port}`, cluster: false, ca: authority.ca })
    await eventually(() => answers(redis), readyMaxMs)
    const socket = await (connecting.mock.results.at(-1)?.value ?? expect.fail('the client connects by it'))
    socket.emit('error', new Error('what the server said'))
    socket.emit('error', new Error('what became of a write'))
    expect(errors).toMatchObject([{ message: 'what the server said' }])
  },
)

check('an authority is taken only with an address that says TLS, and in PEM', () => {
  const env = {
    ...{ CELL: 'eu1', DATABASE_URL: 'postgres://127.0.0.1/perigee', PORT: '8080', ISSUER: 'https://edge.example' },
    ...{ UPSTASH_URL: 'https://upstash.example', UPSTASH_TOKEN: 'token' },
    MASTER_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
    EDGE_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
  }
  const settings = (own: Readonly<Record<string, string>>) => redisOf(parseConfig({ ...env, ...own }))
  const REDIS_URL = 'rediss://10.0.0.2:6379'
  const both = `${authority.ca}${other.ca}`
  expect(settings({})).toBeUndefined()
  expect(settings({ REDIS_URL, REDIS_CA: both, REDIS_CLUSTER: 'true' })).toEqual({
    ...{ url: REDIS_URL, ca: both, cluster: true },
  })
  expect(() => settings({ REDIS_URL: 'redis://10.0.0.2:6379', REDIS_CA: both })).toThrow('rediss://')
  expect(() => settings({ REDIS_CA: both })).toThrow('rediss://')
  const cut = authority.ca.replace(/\n.{20}/, '\n')
  for (const REDIS_CA of ['/etc/ca.pem', cut, `${authority.ca}${cut}`])
    expect(() => settings({ REDIS_URL, REDIS_CA })).toThrow('REDIS_CA: not certificates in PEM')
})
