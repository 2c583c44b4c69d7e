import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { freePort } from '#infra/local/ports.ts'
import { removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { type CoreProcess, launchCoreProcess, startCoreProcess } from './core-process.ts'
import { cloneDatabase } from './database.ts'
import { eventually } from './eventually.ts'
import { startHangingProxy } from './hanging-proxy.ts'
import { startWorld, type World } from './harness.ts'

/** A process takes a second or two to start, on a busy machine more. */
const startMaxMs = 20_000
/** For two processes and a server, one after the other. */
const testMaxMs = 90_000

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

const launch = async (settings: Readonly<Record<string, string>>): Promise<CoreProcess> => {
  const core = await launchCoreProcess(world, settings)
  onTestFinished(core.stop)
  return core
}

const linesOf = async (core: CoreProcess): Promise<Record<string, unknown>[]> => {
  const text = (await readFile(core.logFile, 'utf8')).trim()
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line))
}
const messagesOf = async (core: CoreProcess) => (await linesOf(core)).map(({ message }) => message)

/** What a process that lives says of whether it is ready. */
const readiness = async (core: CoreProcess) => {
  const answer = await fetch(`${core.url}/health/ready`)
  return `${answer.status} ${await answer.text()}`
}
const untilAlive = (core: CoreProcess) =>
  eventually(async () => (await fetch(`${core.url}/health/live`).catch(() => undefined))?.status === 200, startMaxMs)

/** An empty database that goes with the test, and what statements only a test sends it. */
const ownDatabase = async () => {
  const { url, drop } = await cloneDatabase()
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  onTestFinished(async () => {
    await sql.end({ timeout: 0 })
    await drop()
  })
  return { url, sql }
}

test('a core that starts before Postgres says that it lives, waits with one line, and is ready by itself once Postgres is there', async () => {
  const target = new URL(world.databaseUrl)
  const port = await freePort()
  const away = new URL(world.databaseUrl)
  away.port = String(port)
  const core = await launch({ ROLE: 'all', DATABASE_URL: away.href })
  await untilAlive(core)
  await eventually(async () => (await messagesOf(core)).includes('waiting to start'), startMaxMs)
  expect(await readiness(core)).toMatch(/^503 Postgres cannot be used: .*ECONNREFUSED/)
  // Long enough for a second look, and a third.
  await new Promise((resolve) => setTimeout(resolve, 1_500))

  const proxy = await startHangingProxy(Number(target.port), port)
  onTestFinished(proxy.close)
  await eventually(async () => (await readiness(core)) === '200 ready', startMaxMs)
  const messages = await messagesOf(core)
  expect(messages.filter((message) => message === 'waiting to start')).toHaveLength(1)
  // And once each that Postgres is away, and is back.
  expect(messages.length).toBeLessThanOrEqual(4)
})

test('a core takes no work from the outbox before the database has what it needs', async () => {
  const { url, sql } = await ownDatabase()
  // One that a branch left out: the newest is there.
  const [second] = await sql`
    delete from drizzle.__drizzle_migrations
    where created_at = (select created_at from drizzle.__drizzle_migrations order by created_at offset 1 limit 1) returning *`
  await sql`
    insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
    select 'evt_eu1_' || n, 'player:' || n, 1, 'perigee.player.updated.v1', '{}', '[]', '', now() from generate_series(1, 3) n`
  const core = await launch({ ROLE: 'all', DATABASE_URL: url })
  await untilAlive(core)
  await eventually(async () => (await messagesOf(core)).includes('waiting to start'), startMaxMs)
  expect(await readiness(core)).toBe('503 the database lacks the migrations 0001_inbox_dead_letters: npm run migrate')
  // A relay that runs looks twenty times a second.
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(await sql`select from outbox where published_at is null`).toHaveLength(3)

  await sql`insert into drizzle.__drizzle_migrations ${sql(second ?? {})}`
  await eventually(async () => (await sql`select from outbox where published_at is null`).length === 0, startMaxMs)
  // There is no key to sign with here, and whoever asks is told of it.
  await eventually(
    async () => (await readiness(core)).startsWith('503 there is no signing key; make one with: '),
    2_000,
  )
})

test('a database that was never migrated is told with every migration, and one that a later release migrated will do', {
  timeout: testMaxMs,
}, async () => {
  const { url, sql } = await ownDatabase()
  await sql`drop schema drizzle cascade`
  const core = await launch({ DATABASE_URL: url })
  await untilAlive(core)
  await eventually(async () => (await readiness(core)).includes(' 0000_players_sessions_wallets, '), startMaxMs)

  await world.sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', ${Date.now()})`
  onTestFinished(async () => void (await world.sql`delete from drizzle.__drizzle_migrations where hash = 'later'`))
  const older = await startCoreProcess(world)
  onTestFinished(older.stop)
  expect(await readiness(older)).toBe('200 ready')
})

/** It has ended with one line, that says this. */
const expectRefusal = async (core: CoreProcess, line: string) => {
  expect(await core.exited).toEqual({ code: 1, signal: null })
  const errors = (await linesOf(core)).filter(({ severity }) => severity === 'ERROR')
  expect(errors).toMatchObject([{ message: 'the core cannot start', error: [{ message: line }] }])
}

test('a core whose pools do not fit Postgres ends at once, with one line that has every figure and what to change', async () => {
  // The tests' server takes 200 connections, and keeps Postgres's default of three of them.
  await expectRefusal(
    await launch({ ROLE: 'all', INSTANCES_MAX: '11', DATABASE_POOL: '14' }),
    'the pools do not fit Postgres: INSTANCES_MAX 11 x (DATABASE_POOL 14 + 2) = 176 connections, and ' +
      '0.8 x (max_connections 200 - 3 reserved) = 157; ' +
      'set DATABASE_POOL to 12, or INSTANCES_MAX to 9, or max_connections to 223',
  )
})

test('a core whose pools do not fit the read replica ends too, and one whose replica is away starts', {
  timeout: testMaxMs,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-start-'))
  const dataFolder = join(folder, 'postgres')
  const port = await freePort()
  const options = { dataFolder, port, durable: false, logFile: join(folder, 'log'), settings: ['max_connections=20'] }
  const small = await startPostgres(options)
  onTestFinished(async () => {
    await small.stop()
    removePostgresData(dataFolder)
    await rm(folder, { recursive: true, force: true })
  })
  const DATABASE_REPLICA_URL = small.url('postgres')
  await expectRefusal(
    await launch({ DATABASE_REPLICA_URL, DATABASE_POOL: '16' }),
    'the pools do not fit the read replica: INSTANCES_MAX 1 x (DATABASE_POOL 16 + 2) = 18 connections, and ' +
      '0.8 x (max_connections 20 - 3 reserved) = 13; set DATABASE_POOL to 11, or max_connections to 26',
  )
  await small.stop()
  const core = await startCoreProcess(world, { DATABASE_REPLICA_URL, DATABASE_POOL: '16' })
  await core.stop()
})

test('a core is not ready before it is started, and one that is told to stop meanwhile takes no work', async () => {
  const { url, sql } = await ownDatabase()
  await sql`
    insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
    values ('evt_eu1_1', 'player:1', 1, 'perigee.player.updated.v1', '{}', '[]', '', now())`
  // A replica that says nothing keeps the start waiting for two seconds.
  const replica = await startHangingProxy(Number(new URL(url).port))
  onTestFinished(replica.close)
  replica.hang()
  const DATABASE_REPLICA_URL = url.replace(/:\d+\//, `:${replica.port}/`)
  const core = await launch({ ROLE: 'all', DATABASE_URL: url, DATABASE_REPLICA_URL })
  await untilAlive(core)
  await eventually(async () => {
    const told = await readiness(core)
    expect(told).not.toMatch(/^200|signing key/)
    return told === '503 whether the pools fit the read replica is not known yet'
  }, startMaxMs)
  process.kill(core.pid, 'SIGTERM')
  expect(await core.exited).toEqual({ code: 0, signal: null })
  expect(await messagesOf(core)).toContain('stopped')
  // A relay that took a turn has leased what it found.
  expect(await sql`select from outbox_leases where owner <> ''`).toHaveLength(0)
})

test('a core that is told to stop while it waits for Postgres ends at once, and well', async () => {
  const away = new URL(world.databaseUrl)
  away.port = String(await freePort())
  const core = await launch({ ROLE: 'all', DATABASE_URL: away.href })
  await eventually(async () => (await messagesOf(core)).includes('waiting to start'), startMaxMs)
  const askedAt = performance.now()
  process.kill(core.pid, 'SIGTERM')
  expect(await core.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - askedAt).toBeLessThan(5_000)
  expect(await messagesOf(core)).toContain('stopped')
})
