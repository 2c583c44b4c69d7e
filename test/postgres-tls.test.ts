import { copyFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Database, openDatabase } from '#db/client.ts'
import { isOutage } from '#db/errors.ts'
import { migrateDatabase } from '#db/migrate.ts'
import { freePort } from '#infra/local/ports.ts'
import { firstDatabase, type Postgres, removePostgresData, startPostgres } from '#infra/local/postgres.ts'
import { giveTo, preparePostgresHome } from '#infra/local/postgres-home.ts'
import { type Authority, createAuthority, openssl } from './certificates.ts'
import { eventually } from './eventually.ts'
import { fulfils } from './fulfils.ts'
import { startHangingProxy } from './hanging-proxy.ts'

const check = test.skipIf(openssl === undefined)
if (openssl === undefined) console.log('No openssl on PATH: TLS to Postgres is not tested.')

let authority: Authority
let server: Postgres
/** It takes who comes in TLS and nobody else, as Cloud SQL does with ENCRYPTED_ONLY. */
let url: string

beforeAll(async () => {
  if (openssl === undefined) return
  authority = await createAuthority()
  const { certificateFile, keyFile } = await authority.issue()
  const folder = await mkdtemp(join(tmpdir(), 'perigee-postgres-tls-'))
  const dataFolder = join(folder, 'postgres')
  const home = preparePostgresHome(dataFolder)
  const [certificate, key, access] = ['server.pem', 'server.key', 'access.conf'].map((name) => join(home.folder, name))
  if (!certificate || !key || !access) return expect.fail('three files were named')
  copyFileSync(certificateFile, certificate)
  copyFileSync(keyFile, key)
  writeFileSync(access, 'hostssl all all 127.0.0.1/32 scram-sha-256\n', { mode: 0o600 })
  for (const file of [certificate, key, access]) giveTo(home.account, file)
  const settings = ['ssl=on', `ssl_cert_file=${certificate}`, `ssl_key_file=${key}`, `hba_file=${access}`]
  const logFile = join(folder, 'postgres.log')
  server = await startPostgres({ dataFolder, port: await freePort(), durable: false, logFile, settings })
  url = `${server.url(firstDatabase)}?sslmode=require`
  await migrateDatabase(url)
  return async () => {
    await server.stop()
    removePostgresData(dataFolder)
    await rm(folder, { recursive: true, force: true })
  }
})
afterAll(() => authority?.remove())

const open = (address: string): Database => {
  const database = openDatabase({
    ...{ url: address, poolMax: 4, statementTimeoutMs: 5_000, setTimeoutMs: 2_000, applicationName: 'tls' },
  })
  onTestFinished(() => database.close(0))
  return database
}

/** Of the sessions of a program, how many there are and how many of them are in TLS. */
const sessionsOf = async (applicationName: string) => {
  const direct = postgres(url, { max: 1, onnotice: () => {} })
  onTestFinished(() => direct.end({ timeout: 0 }))
  const rows = await direct<{ ssl: boolean }[]>`select ssl from pg_stat_ssl join pg_stat_activity using (pid)
    where application_name like ${`${applicationName}%`}`
  return { all: rows.length, inTls: rows.filter(({ ssl }) => ssl).length }
}

/** One of each kind: a statement by itself, a transaction, and the question whether anybody is there. */
const useAll = async (database: Database) => {
  await database.statement('select $1::int', [1])
  await database.db.transaction((tx) => tx.execute(sql`select 1`))
  await database.ping()
}

check('with sslmode=require every connection of a core is in TLS, and those after an outage are too', async () => {
  const proxy = await startHangingProxy(server.port)
  onTestFinished(proxy.close)
  const database = open(url.replace(`:${server.port}/`, `:${proxy.port}/`))
  await useAll(database)
  const before = await sessionsOf('tls ')
  expect(before.all).toBeGreaterThanOrEqual(3)
  expect(before.inTls).toBe(before.all)

  proxy.hang()
  await expect(database.statement('select 1', [])).rejects.toSatisfy(isOutage)
  const startedAt = performance.now()
  await expect(database.statement('select 1', [])).rejects.toSatisfy(isOutage)
  expect(performance.now() - startedAt).toBeLessThan(300)
  proxy.resume()
  await eventually(() => fulfils(useAll(database)), 15_000)
  const after = await sessionsOf('tls ')
  expect(after.all).toBeGreaterThanOrEqual(3)
  expect(after.inTls).toBe(after.all)
})

check(
  'a server that takes nobody in clear takes the migrations with sslmode=require, and nothing without',
  async () => {
    await migrateDatabase(url)
    const clear = server.url(firstDatabase)
    await expect(migrateDatabase(clear)).rejects.toThrow('no encryption')
    await expect(open(clear).statement('select 1', [])).rejects.toThrow('no encryption')
  },
)

check('with sslmode=require a server that has no TLS hears neither user nor password', async () => {
  const heard: Buffer[] = []
  const noTls = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      heard.push(chunk)
      // The first is the question whether there is TLS; what comes after a "no" can only be its beginning.
      chunk.length === 8 ? socket.write('N') : socket.destroy()
    })
  })
  await new Promise<void>((resolve) => noTls.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void noTls.close())
  const { port } = noTls.address() as AddressInfo
  const address = `postgres://heard-user:heard-password@127.0.0.1:${port}/heard-database?sslmode=require`
  const database = open(address)
  await expect(database.statement('select 1', [])).rejects.toThrow()
  await expect(database.ping()).rejects.toThrow()
  await expect(migrateDatabase(address)).rejects.toThrow()
  expect(heard.length).toBeGreaterThanOrEqual(3)
  expect(Buffer.concat(heard).toString('latin1')).not.toContain('heard-')
})
