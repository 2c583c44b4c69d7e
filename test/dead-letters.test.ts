import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeadLetterConsumer } from '#core/dead-letters.ts'
import { encodeDeadLetter } from '#infra/event-bus.ts'
import { eventually } from './eventually.ts'
import { startWorld, type World } from './harness.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const command = async (...args: string[]): Promise<Record<string, unknown>[]> => {
  const env = { ...process.env, CELL: 'eu1', DATABASE_URL: world.databaseUrl, MASTER_KEYS: world.secrets.masterKeys }
  const given = ['core/commands/dead-letters.ts', ...args, '--json']
  const { stdout } = await run(process.execPath, given, { cwd: project, env })
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

const file = (attributes: Record<string, string>, data: Uint8Array) => {
  const { database, clock, prefix } = world
  const consumer = createDeadLetterConsumer({ database, prefix: `${prefix}-eu1-`, clock })
  const message = { orderingKey: '', attributes, data }
  const subscription = `${prefix}-eu1-invalidate`
  return consumer.handle(encodeDeadLetter({ subscription, message, reason: 'Error: no', attempts: 10 }))
}

/** A dead letter of an event that has left already, as it is once its outbox row was deleted. */
const fileRenaming = async () => {
  const { client, playerId } = await world.signIn()
  await client.updateOwnProfile({ body: { displayName: 'Ada' } })
  const [row] = await world.sql`select * from outbox where aggregate = ${`player:${playerId}`} order by version desc`
  if (!row) throw new Error('a change leaves an event')
  const attributes = {
    'ce-id': row.event_id,
    'ce-type': row.type,
    'ce-subject': row.aggregate,
    'ce-time': row.occurred_at.toISOString(),
    'ce-aggregateversion': String(row.version),
    'ce-traceparent': row.traceparent,
    'ce-moved': `player:${playerId}=${row.version}`,
  }
  await file(attributes, new TextEncoder().encode(JSON.stringify(row.data)))
  const eventId = String(row.event_id)
  await eventually(async () => (await world.sql`select from outbox where published_at is null`).length === 0, 5_000)
  await world.sql`delete from outbox where event_id = ${eventId}`
  return { eventId, playerId, version: Number(row.version) }
}

test('a dead letter is listed, shown with why, and redriven once: its subscription gets the event as it was', async () => {
  const { eventId, playerId, version } = await fileRenaming()
  const subscription = `${world.prefix}-eu1-invalidate`
  expect(await command('list')).toMatchObject([
    { eventId, subscription, type: 'perigee.player.updated.v1', attempts: 10, reason: 'Error: no' },
  ])
  expect(await command('show', eventId)).toMatchObject([
    { eventId, redrivenAt: null, data: JSON.stringify({ changed: ['displayName'], playerId }) },
  ])

  expect(await command('redrive', eventId)).toEqual([{ eventId, subscription, redriven: true }])
  const sent = () => world.sql`select version, redriven_for, moved from outbox where event_id = ${eventId}`
  const moved = [{ tag: `player:${playerId}`, version }]
  expect(await sent()).toMatchObject([{ version: String(version), redriven_for: subscription, moved }])
  expect(await command('list')).toEqual([])
  await expect(command('redrive', eventId)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('waits') })
  expect(await sent()).toHaveLength(1)

  await file((await world.sql`select attributes from dead_letters`)[0]?.attributes, new Uint8Array())
  expect(await command('list'), 'refused once more, it waits again').toHaveLength(1)
  expect(await command('discard', eventId, '--subscription', subscription)).toMatchObject([{ discarded: true }])
  expect(await command('show', eventId).catch(({ code }) => code)).toBe(1)
})

test('what is no event is filed with every byte, cannot be redriven, says so, and can be discarded', async () => {
  const data = Uint8Array.from([0, 255, 10, 34])
  await file({ note: 'a\u0000b' }, data)
  const [letter] = await command('list')
  expect(letter?.eventId).toMatch(/^unknown_[0-9a-f]{32}$/)
  const [row] = await world.sql`select data from dead_letters`
  expect(Uint8Array.from(row?.data)).toEqual(data)
  const refused = await command('redrive', '--all').catch((error: { code: number; stdout: string }) => error)
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('no event that this version knows') })
  await command('discard', String(letter?.eventId), '--subscription', String(letter?.subscription))
  expect(await command('list')).toEqual([])
})

test('letters of another cell are left to it', async () => {
  const { database, clock } = world
  const consumer = createDeadLetterConsumer({ database, prefix: 'perigee-us1-', clock })
  const message = { orderingKey: '', attributes: {}, data: new Uint8Array() }
  await consumer.handle(
    encodeDeadLetter({ subscription: 'perigee-eu1-invalidate', message, reason: 'no', attempts: 10 }),
  )
  expect(await command('list')).toEqual([])
})

test('a call that says nothing sensible is told how to', async () => {
  for (const args of [[], ['redrive'], ['redrive', 'evt', '--all'], ['show'], ['list', '--most', 'x'], ['--no']])
    await expect(command(...args)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('dead-letters') })
})
