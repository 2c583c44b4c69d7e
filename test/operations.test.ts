import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { parseConfig } from '#core/config.ts'
import { migrateDatabase } from '#db/migrate.ts'
import { startCoreProcess } from './core-process.ts'
import { startWorld, type World } from './harness.ts'
import { copyWorktree } from './worktree.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

test('a core without its settings names every one that is missing or bad, and no value', () => {
  const bad = {
    CELL: 'Europe',
    PORT: 'eighty',
    MASTER_KEYS: 'k1:c2hvcnQ=',
    ISSUER: 'https://game.example',
    UPSTASH_URL: 'nowhere',
  }
  const message = (() => {
    try {
      return String(parseConfig(bad))
    } catch (error) {
      return String(error)
    }
  })()
  for (const name of ['DATABASE_URL is missing', 'EDGE_KEYS is missing', 'UPSTASH_TOKEN is missing'])
    expect(message).toContain(name)
  for (const name of ['CELL:', 'PORT:', 'MASTER_KEYS:', 'UPSTASH_URL:']) expect(message).toContain(name)
  expect(message).not.toContain('ISSUER')
  expect(message).not.toContain('c2hvcnQ=')
})

test('migrating twice, and by four at once, gives one schema', async () => {
  const { serverUrl } = inject('postgres')
  const name = `empty_${randomUUID().replaceAll('-', '')}`
  const admin = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name}`)
  const url = serverUrl.replace(/\/postgres$/, `/${name}`)
  await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(url)))
  await migrateDatabase(url)
  const sql = postgres(url, { max: 1 })
  const journal = JSON.parse(await readFile(join(project, 'db/migrations/meta/_journal.json'), 'utf8'))
  const applied = await sql`select count(*)::int as count from drizzle.__drizzle_migrations`
  expect(applied[0]?.count).toBe(journal.entries.length)
  expect((await sql`select count(*)::int as count from outbox_leases`)[0]?.count).toBe(16)
  await sql.end()
  await admin.unsafe(`drop database ${name} with (force)`)
  await admin.end()
})

test('the migrations make what the tables say: nothing is left to generate', async () => {
  const copy = await copyWorktree()
  const { code, output } = await copy.run('drizzle-kit', ['generate', '--name=drift'], 60_000)
  await copy.remove()
  expect(code, output).toBe(0)
  expect(output).toContain('No schema changes')
})

test('a core that is told to stop answers what it has, says no to more, and is gone within 8 s', async () => {
  const core = await startCoreProcess(world, { ROLE: 'all' })
  expect((await fetch(`${core.url}/health/live`)).status).toBe(200)

  const stoppedAt = performance.now()
  process.kill(core.pid, 'SIGTERM')
  const { code } = await core.exited
  console.log(`the core ended ${Math.round(performance.now() - stoppedAt)} ms after SIGTERM`)
  expect(code).toBe(0)
  expect(performance.now() - stoppedAt).toBeLessThan(8_000)
  const printed = await readFile(core.logFile, 'utf8')
  await core.stop()
  const lines = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ message }) => message)).toEqual(expect.arrayContaining(['listening', 'stopping', 'stopped']))
})
