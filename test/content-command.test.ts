import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { documentBytesMax } from '#contract/content.ts'
import { parseContentFile } from '#core/content-file.ts'
import { importContent } from '#core/import-content.ts'
import { draft, eventOf, flagOf, ifMatch, type Operator, publishNew } from './content-calls.ts'
import { commandOutput } from './core-command.ts'
import { cell, startWorld, type World } from './harness.ts'

let world: World
let operator: Operator
let folder: string
beforeAll(async () => {
  world = await startWorld()
  operator = world.client({ bearer: world.keys.operator })
  folder = await mkdtemp(join(tmpdir(), 'perigee-content-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await world?.stop()
})
beforeEach(async () => {
  await world.sql`delete from content_versions`
  await world.sql`update content_drafts set revision = revision + 1, draft = null, draft_updated_at = null,
    draft_updated_by = null, publish_at = null, scheduled = null, scheduled_by = null, scheduled_note = null`
  await world.sql`delete from audit_log`
})

const content = (...args: readonly string[]) => commandOutput(world, { name: 'content', args })

/** What a person reads of a command that fails, and the code that it ends with. */
const failure = async (...args: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> => {
  const error = await content(...args).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return (error as { code: number; stderr: string } | undefined) ?? expect.fail(`${args.join(' ')} should have failed`)
}

const fileOf = async (value: unknown): Promise<string> => {
  const path = join(folder, 'content.json')
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

const fileWith = (documents: object) => fileOf({ format: 1, documents })

const shop = (over: object = {}) => ({ flags: { 'new-shop': flagOf(over) } })
const summer = { events: { summer: eventOf({ flags: { 'new-shop': true } }) } }

const stateOf = async (kind: 'flags' | 'live-events') => (await operator.getContent({ params: { kind } })).body
const draftOf = async (kind: 'flags' | 'live-events') => (await operator.getDraft({ params: { kind } })).body.document
const acts = async () =>
  (await world.sql`select actor, action, subject from audit_log`)
    .map(({ actor, action, subject }) => `${actor} ${action} ${subject}`)
    .toSorted()

test('what is live goes out as it was written and comes in as drafts, and nobody sees it yet', async () => {
  expect(JSON.parse(await content('export'))).toEqual({ format: 1, documents: {} })
  const described = shop({ description: 'for the new shop' })
  await publishNew(operator, 'flags', described)
  await publishNew(operator, 'live-events', summer)
  const exported = await content('export')
  expect(JSON.parse(exported)).toEqual({ format: 1, documents: { flags: described, 'live-events': summer } })
  const written = join(folder, 'exported.json')
  expect(await content('export', written)).toBe('')
  expect(await readFile(written, 'utf8')).toBe(exported)
  expect(await content('import', written)).toBe('flags: unchanged\nlive-events: unchanged\n')

  await publishNew(operator, 'live-events', { events: {} })
  await publishNew(operator, 'flags', {})
  await world.sql`delete from audit_log`
  expect(await content('import', await fileOf(exported))).toBe('flags: drafted\nlive-events: drafted\n')
  expect(await draftOf('flags')).toEqual(described)
  expect((await stateOf('flags')).live?.number).toBe(2)
  expect((await stateOf('flags')).draft?.updatedBy).toBe('command')
  expect(await acts()).toEqual(['command content.draft content:flags', 'command content.draft content:live-events'])
})

test('with --publish all goes live, flags before the live events that use them, and the drafts are free again', async () => {
  const file = await fileWith({ 'live-events': summer, flags: shop() })
  const printed = await content('import', file, '--publish', '--note', 'as tried on staging')
  expect(printed).toBe('flags: published as number 1\nlive-events: published as number 1\n')
  for (const kind of ['flags', 'live-events'] as const)
    expect(await stateOf(kind)).toMatchObject({
      live: { number: 1, author: 'command', note: 'as tried on staging' },
      draft: null,
    })
  expect(await acts()).toEqual([
    'command content.draft content:flags',
    'command content.draft content:live-events',
    'command content.publish content:flags',
    'command content.publish content:live-events',
  ])
  const events = await world.sql`select aggregate from outbox
    where type = 'perigee.replica.content.v1' and data->>'note' = 'as tried on staging'`
  expect(events.map(({ aggregate }) => aggregate).toSorted()).toEqual(['content:flags', 'content:live-events'])
  expect(await content('import', file, '--publish', '--note', 'again')).toBe(
    'flags: unchanged\nlive-events: unchanged\n',
  )
})

test('flags that drop what live events have used go after the live events that no longer do', async () => {
  await publishNew(operator, 'flags', shop())
  await publishNew(operator, 'live-events', summer)
  const file = await fileWith({ flags: {}, 'live-events': { events: {} } })
  const printed = await content('import', file, '--publish', '--note', 'the shop is gone')
  expect(printed).toBe('live-events: published as number 2\nflags: published as number 2\n')
})

test('where no order will do nothing is imported, and the person is told of each fault and of the way', async () => {
  await publishNew(operator, 'flags', shop())
  await publishNew(operator, 'live-events', summer)
  const winter = { events: { winter: eventOf({ flags: { ice: true } }) } }
  const file = await fileWith({ flags: { flags: { ice: flagOf() } }, 'live-events': winter })
  const { code, stderr } = await failure('import', file, '--publish', '--note', 'winter')
  expect(code).toBe(1)
  expect(stderr).toContain('flags /flags: the live event summer gives new-shop a value\n')
  expect(stderr).toContain('live-events /events/winter/flags/ice: no such flag is live\n')
  expect(stderr).toContain('Nothing was imported.')
  for (const kind of ['flags', 'live-events'] as const)
    expect(await stateOf(kind)).toMatchObject({ live: { number: 1 }, draft: null })
  expect((await acts()).filter((act) => act.startsWith('command'))).toEqual([])
})

test('diff tells what a file would change, and ends with 2 where it changes something', async () => {
  await publishNew(operator, 'flags', shop())
  expect(await content('diff', await fileWith({ flags: shop() }))).toBe('')
  expect(await content('diff', await fileWith({}))).toBe('')
  const file = await fileWith({ flags: shop({ default: 'on', enabled: false }), 'live-events': summer })
  const differs = await content('diff', file).then(
    () => expect.fail('it differs'),
    (error: { readonly code: number; readonly stdout: string }) => error,
  )
  expect([differs.code, differs.stdout.split('\n')]).toEqual([
    2,
    [
      'flags /flags/new-shop/default changed: "off" -> "on"',
      'flags /flags/new-shop/enabled added: false',
      `live-events /events added: ${JSON.stringify(summer.events)}`,
      '',
    ],
  ])
})

test('somebody’s draft or scheduled publish is never lost to a file', async () => {
  await draft(operator, 'flags', shop())
  const file = await fileWith({ flags: shop({ default: 'on' }), 'live-events': {} })
  expect(await failure('import', file)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^flags: there is a draft by key:key_\w+: publish or discard it first\n$/),
  })
  const publishAt = new Date(world.clock() + 60_000).toISOString()
  await operator.publishContent({ params: { kind: 'flags' }, body: { note: 'x', publishAt } }, ifMatch('*'))
  expect((await failure('import', file)).stderr).toBe(
    `flags: a publish is scheduled for ${publishAt}: cancel it first\n`,
  )
  expect((await stateOf('live-events')).draft).toBeNull()
})

test('a file that is none is told of in full, with pointers, and changes nothing', async () => {
  const nested = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`
  const mistakes: readonly (readonly [file: unknown, told: string])[] = [
    ['{', 'The body is not valid JSON'],
    [{ documents: {} }, '/format: '],
    [{ format: 2, documents: {} }, '/format: '],
    [{ format: 1 }, '/documents: '],
    [{ format: 1, documents: { catalog: {} } }, '/documents/catalog: Unrecognized key'],
    [{ format: 1, documents: { flags: [], 'live-events': { a: '\0' } } }, '/documents/live-events: not a JSON object'],
    [`{"format":1,"documents":{"flags":${nested}}}`, 'nested deeper than 32'],
    ['{"format":1,"documents":{"flags":{"__proto__":{}}}}', '/documents/flags: '],
  ]
  for (const [file, told] of mistakes) {
    const bytes = Buffer.from(typeof file === 'string' ? file : JSON.stringify(file))
    expect(() => parseContentFile(bytes), told).toThrow(told)
  }
  const large = { flags: { a: 'x'.repeat(documentBytesMax) } }
  const imported = importContent(world.database.db, { cell, now: new Date() }, { documents: large, note: undefined })
  await expect(imported).rejects.toThrow(`flags: more than ${documentBytesMax} bytes`)
  const none = await fileOf({ format: 2, documents: { catalog: {} } })
  expect(await failure('import', none)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^\/format: .+\n\/documents\/catalog: Unrecognized key\n$/),
  })
  expect(await acts()).toEqual([])
})

test('the command says how it is used, and is for the control cell alone', async () => {
  const file = await fileWith({})
  for (const args of [[], ['publish', file], ['import', file, '--force']])
    expect(await failure(...args)).toMatchObject({ code: 1, stderr: expect.stringContaining('content import FILE') })
  expect((await failure('import', file, '--note', 'x')).stderr).toContain('--note is for --publish')
  expect((await failure('import', file, '--publish')).stderr).toContain('--publish needs --note')
  expect((await failure('import', join(folder, 'nothing.json'))).stderr).toContain('ENOENT')
  expect((await failure('export', join(folder, 'nowhere', 'content.json'))).stderr).toContain('ENOENT')
  const elsewhere = commandOutput(world, { name: 'content', args: ['import', file] }, { CONTROL_CELL: 'us1' })
  await expect(elsewhere).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('decided in us1') })
  const bare = commandOutput(world, { name: 'content', args: ['export'] }, { DATABASE_URL: '' })
  await expect(bare).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('DATABASE_URL is missing') })
})
