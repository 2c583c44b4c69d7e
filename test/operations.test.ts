import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { parseConfig } from '#core/config.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey, tokensEndAt } from '#core/signing-keys.ts'
import { listSigningKeys } from '#db/keys.ts'
import { migrateDatabase } from '#db/migrate.ts'
import { startCoreProcess } from './core-process.ts'
import { cell, eventually, startWorld, type World } from './harness.ts'
import { runKeys } from './keys-command.ts'
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

const keysCommand = (...args: string[]) => runKeys(world, ...args)

test('a key is shown once, works, is listed by its prefix, and stops to work when it is revoked', async () => {
  const { playerId } = await world.signIn()
  const [made] = await keysCommand('create', 'server', '--name', 'shop')
  const body = { changes: [{ currency: 'coins', amount: 1 }], reason: 'key' }
  const call = () => world.client({ bearer: made.key }).createWalletTransaction({ params: { playerId }, body })
  await call()

  const listed = await keysCommand('list')
  expect(listed.find(({ keyId }) => keyId === made.keyId)).toMatchObject({
    kind: 'server',
    name: 'shop',
    prefix: made.key.slice(0, 9),
  })
  expect(JSON.stringify(listed)).not.toContain(made.key)
  const stored = await world.sql`select * from api_keys where key_id = ${made.keyId}`
  expect(JSON.stringify(stored)).not.toContain(made.key)

  await keysCommand('revoke', made.keyId)
  const refusedAfterMs = await eventually(
    () =>
      call().then(
        () => false,
        ({ code }) => code === 'key_invalid',
      ),
    3_000,
  )
  console.log(`a revoked server key was refused after ${Math.round(refusedAfterMs)} ms (bound: 1000 ms)`)
})

test('a signing key is revoked only when its last token has expired, but for --now', { timeout: 60_000 }, async () => {
  const { database, secrets, clock } = world
  const make = () =>
    createSigningKey(database.db, {
      secrets: createSecrets(parseNamedKeys(secrets.masterKeys)),
      cell,
      now: new Date(clock()),
    })
  const [first] = await listSigningKeys(database.db)
  if (!first) throw new Error('a world has a signing key')
  await expect(keysCommand('revoke', first.keyId)).rejects.toThrow('no later key signs')
  const second = await make()
  const third = await make()

  // Published for half a minute, noticed by every core after 5 s; then the ten minutes of a token, and one for clocks.
  const lastsMs = 30_000 + 5_000 + 660_000
  const age = (keyId: string, ms: number) =>
    world.sql`update signing_keys set created_at = now() - ${ms} * interval '1 ms' where key_id = ${keyId}`
  await age(first.keyId, 2 * lastsMs)
  await age(second, lastsMs - 60_000)
  await age(third, lastsMs / 2)
  await expect(keysCommand('revoke', first.keyId)).rejects.toThrow('tokens of it live until')
  await age(second, lastsMs)
  expect(await keysCommand('revoke', first.keyId)).toEqual([{ keyId: first.keyId, revoked: true }])

  expect(await keysCommand('revoke', second, '--now')).toEqual([{ keyId: second, revoked: true }])
  // Of the first, the third is the successor now.
  const rows = await listSigningKeys(database.db)
  const thirdAt = rows.find(({ keyId }) => keyId === third)?.createdAt.getTime() ?? 0
  expect([tokensEndAt(rows, first.keyId), tokensEndAt(rows, third)]).toEqual([thirdAt + lastsMs, Infinity])
})

test('the keys command says what is wrong and ends with 1', async () => {
  for (const args of [
    ['create', 'operator', '--name', 'x'],
    ['create', 'publishable', '--name', 'x', '--origin', 'game'],
    ['revoke', 'nothing'],
    [],
  ]) {
    await expect(keysCommand(...args)).rejects.toMatchObject({ code: 1 })
  }
})

test('a core that is told to stop answers what it has, says no to more, and is gone within 8 s', async () => {
  const core = await startCoreProcess(world, { ROLE: 'all' })
  expect((await fetch(`${core.url}/healthz`)).status).toBe(200)

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
