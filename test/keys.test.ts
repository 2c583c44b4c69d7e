import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { clientsSchema } from '#contract/platform.ts'
import { roles, scopes } from '#contract/rights.ts'
import { createApiKey } from '#core/api-keys.ts'
import { documents } from '#core/document.ts'
import { createSecrets, sha256 } from '#core/secrets.ts'
import { createSigningKey, tokensEndAt } from '#core/signing-keys.ts'
import { listSigningKeys } from '#db/keys.ts'
import { coreCommand } from './core-command.ts'
import { eventually } from './eventually.ts'
import { cell, startWorld, type World } from './harness.ts'
import { outcomeOf } from './outcome.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const command = (...args: string[]) => coreCommand(world, 'keys', ...args)

const grantWith = async (bearer: string): Promise<string> => {
  const { playerId } = await world.signIn()
  const body = { changes: [{ currency: 'coins', amount: 1 }], reason: 'key' }
  return outcomeOf(world.client({ bearer }).createWalletTransaction({ params: { playerId }, body }))
}

/** A server key with scopes that the command need not know. */
const keyWith = async (given: string[]) => {
  const rights = { origins: [], scopes: ['*'], role: undefined }
  const made = await createApiKey(world.database.db, { kind: 'server', name: 'x', ...rights, cell, now: new Date() })
  await world.sql`update api_keys set scopes = ${given} where key_id = ${made.keyId}`
  return made
}

/** How a key of each kind is made, and what it is used for. */
const kinds = [
  { kind: 'server', args: ['--scope', 'wallet:write'], use: grantWith },
  {
    kind: 'operator',
    args: ['--role', 'viewer'],
    use: (bearer: string) => outcomeOf(world.client({ bearer }).getOperator()),
  },
  {
    kind: 'publishable',
    args: ['--origin', 'https://game.example'],
    // An edge has the document for ten seconds, so the core is asked for it.
    use: async (key: string) => {
      const { clients } = clientsSchema.parse(await documents.clients(world.database.db, new Date(world.clock())))
      return clients.some(({ hash }) => hash === sha256(key)) ? 'served' : 'key_invalid'
    },
  },
] as const

test.each(kinds)(
  'a $kind key is shown once, kept as a hash, listed by its prefix, and refused soon after it was revoked',
  async ({ kind, args, use }) => {
    const [made] = await command('create', kind, '--name', 'shop', ...args)
    const [keyId, key] = [String(made?.keyId), String(made?.key)]
    expect(await use(key)).toBe('served')

    const listed = await command('list')
    expect(listed.find((row) => row.keyId === keyId)).toMatchObject({
      kind,
      name: 'shop',
      prefix: key.slice(0, 9),
      revokedAt: null,
    })
    const stored = await world.sql`select * from api_keys where key_id = ${keyId}`
    expect(stored[0]?.hash).toBe(sha256(key))
    expect(JSON.stringify([listed, stored])).not.toContain(key.slice(9))

    await command('revoke', keyId)
    const [revoked] = await world.sql`select version from api_keys where key_id = ${keyId}`
    expect(Number(revoked?.version)).toBeGreaterThan(Number(stored[0]?.version))
    const refusedAfterMs = await eventually(async () => (await use(key)) === 'key_invalid', 2_000)
    console.log(`a revoked ${kind} key was refused after ${Math.round(refusedAfterMs)} ms (bound: 1000 ms)`)

    const log =
      await world.sql`select actor, action, detail from audit_log where subject = ${`key:${keyId}`} order by audit_id`
    expect(log.map(({ actor, action }) => `${actor} ${action}`)).toEqual(['command key.create', 'command key.revoke'])
    expect(log.map(({ detail }) => detail.kind)).toEqual([kind, kind])
    expect(JSON.stringify(log)).not.toContain(key.slice(9))
  },
)

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
  await expect(command('revoke', first.keyId)).rejects.toThrow('no later key signs')
  const second = await make()
  const third = await make()

  // Published for half a minute, noticed by every core after 5 s; then the ten minutes of a token, and one for clocks.
  const lastsMs = 30_000 + 5_000 + 660_000
  const age = (keyId: string, ms: number) =>
    world.sql`update signing_keys set created_at = now() - ${ms} * interval '1 ms' where key_id = ${keyId}`
  await age(first.keyId, 2 * lastsMs)
  await age(second, lastsMs - 60_000)
  await age(third, lastsMs / 2)
  await expect(command('revoke', first.keyId)).rejects.toThrow('tokens of it live until')
  await age(second, lastsMs)
  expect(await command('revoke', first.keyId)).toEqual([{ keyId: first.keyId, revoked: true }])

  expect(await command('revoke', second, '--now')).toEqual([{ keyId: second, revoked: true }])
  // Of the first, the third is the successor now.
  const rows = await listSigningKeys(database.db)
  const thirdAt = rows.find(({ keyId }) => keyId === third)?.createdAt.getTime() ?? 0
  expect([tokensEndAt(rows, first.keyId), tokensEndAt(rows, third)]).toEqual([thirdAt + lastsMs, Infinity])
})

test('a signing key is made and revoked in the audit log too', async () => {
  const [made] = await command('create', 'signing')
  await command('revoke', String(made?.keyId), '--now')
  const log =
    await world.sql`select action, detail from audit_log where subject = ${`key:${made?.keyId}`} order by audit_id`
  expect(log).toEqual([
    { action: 'key.create', detail: { kind: 'signing' } },
    { action: 'key.revoke', detail: { kind: 'signing' } },
  ])
})

test('a server key does what its scopes say and no more, and one with * does everything', async () => {
  expect(await grantWith((await keyWith(['wallet:write'])).key)).toBe('served')
  expect(await grantWith((await keyWith(['other:read', 'wallet:write'])).key)).toBe('served')
  expect(await grantWith((await keyWith(['*'])).key)).toBe('served')
  for (const given of [[], ['other:read'], ['wallet'], ['wallet:write:all']])
    expect(await grantWith((await keyWith(given)).key), String(given)).toBe('scope_missing')
})

test('a refusal for want of a scope tells which, writes nothing, and leaves the idempotency key free', async () => {
  const { playerId } = await world.signIn()
  const { keyId, key: bearer } = await keyWith([])
  const body = { changes: [{ currency: 'coins', amount: 1 }], reason: 'key' }
  const call = () =>
    world.client({ bearer }).createWalletTransaction({ params: { playerId }, body }, { idempotencyKey: 'one' })
  const refused = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(refused instanceof CallError && refused.is('scope_missing') && refused.problem.scope).toBe('wallet:write')
  expect(await world.sql`select from wallet_entries where player_id = ${playerId}`).toHaveLength(0)
  await world.sql`update api_keys set scopes = '{wallet:write}' where key_id = ${keyId}`
  // The core has known the key for a second at the most.
  await eventually(async () => (await outcomeOf(call())) === 'served', 2_000)
})

test('a key that could not be right is not made, and the refusal says what would be', async () => {
  const right = { name: 'x', origins: [], scopes: [], role: undefined, cell, now: new Date() }
  for (const [wrong, told] of [
    [{ kind: 'server' }, 'a server key needs a scope: wallet:write, or * for all'],
    [{ kind: 'server', scopes: ['wallet'] }, 'there is no scope wallet: a scope is wallet:write, or * for all'],
    [{ kind: 'server', scopes: ['*'], role: 'admin' }, 'only an operator key has a role'],
    [{ kind: 'operator' }, "an operator's role is one of viewer, editor, publisher, admin"],
    [{ kind: 'operator', role: 'viewer', scopes: ['*'] }, 'only a server key has scopes'],
    [{ kind: 'operator', role: 'viewer', origins: ['*'] }, 'only a publishable key has origins'],
    [{ kind: 'server', scopes: ['*'], homeCell: cell }, 'only a publishable key has a home'],
    [{ kind: 'publishable', origins: ['game'] }, 'not a web origin such as https://game.example: game'],
  ] as const)
    await expect(createApiKey(world.database.db, { ...right, ...wrong }), told).rejects.toThrow(told)
  expect(await world.sql`select from api_keys where name = 'x' and role is not null`).toHaveLength(0)
})

test('the keys command says what is wrong and ends with 1', async () => {
  for (const [args, told] of [
    [['create', 'server', '--name', 'x'], 'a server key needs a scope'],
    [['create', 'publishable', '--name', 'x', '--home', 'Europe'], '--home must be a cell such as eu1'],
    [['revoke', 'nothing'], 'no live key has the id nothing'],
    [[], 'keys create'],
  ] as const)
    await expect(command(...args), told).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(told) })
})

test('docs/operators.md tells of every scope and role, and of no other', async () => {
  const page = await readFile(new URL('../docs/operators.md', import.meta.url), 'utf8')
  const named = (heading: string) => {
    const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
    return [...section.matchAll(/^\| `(.+?)` \|/gm)].map(([, name]) => name)
  }
  expect(named('Scopes')).toEqual([...Object.keys(scopes), '*'])
  expect(named('Roles')).toEqual([...roles])
})

test('what is told to all cells is made in the control cell alone, and a signing key in its own', async () => {
  const [made] = await command('create', 'server', '--name', 'shop', '--scope', '*')
  process.env.CONTROL_CELL = 'us1'
  try {
    for (const args of [
      ['create', 'server', '--name', 'x', '--scope', '*'],
      ['revoke', String(made?.keyId)],
    ])
      await expect(command(...args)).rejects.toThrow('this is decided in us1, the control cell; CELL is eu1')
    expect((await command('create', 'signing'))[0]).toMatchObject({ keyId: expect.stringMatching(/^key_eu1_/) })
  } finally {
    delete process.env.CONTROL_CELL
  }
  expect(await grantWith(String(made?.key))).toBe('served')
})
