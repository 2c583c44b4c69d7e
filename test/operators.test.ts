import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { type OperatorId, operatorIdSchema } from '#contract/ids.ts'
import { endOperatorSession, type OperatorSession } from '#contract/operators.ts'
import { problemSchema } from '#contract/problem.ts'
import { type Role, reaches, roles } from '#contract/rights.ts'
import { storeApiKey } from '#core/api-keys.ts'
import { type Audited, actByCommand } from '#core/audit.ts'
import { answers, writes, writesInSets } from '#core/handler.ts'
import {
  disableOperator,
  type OnAccount,
  resetOperatorSecret,
  resetOperatorTotp,
  setOperatorRole,
} from '#core/operator-accounts.ts'
import { createReaper } from '#core/reap.ts'
import { sha256 } from '#core/secrets.ts'
import { totpCode, totpStepOf } from '#core/totp.ts'
import type { Tx } from '#db/client.ts'
import { findOperatorBySecret, takeTotpStep } from '#db/operators.ts'
import { moveStatement } from '#db/value.ts'
import { createLog } from '#infra/log.ts'
import { coreCommand } from './core-command.ts'
import { eventually } from './eventually.ts'
import { cell, startWorld, type World } from './harness.ts'
import { meet, untilMet } from './locks.ts'
import { outcomeOf } from './outcome.ts'
import { makeSpareOperators, type SpareOperator, secretsOf } from './spare-operators.ts'

const sessionMs = 8 * 3_600_000
/** Steps to a code that is not good yet, also when a new step has begun on its way. */
const wrong = 3

let world: World
beforeAll(async () => {
  // Without Redis: what other files try as strangers is not counted here.
  world = await startWorld({ redisUrl: '' })
})
afterAll(() => world?.stop())

const makeOperator = async (role: Role = 'admin'): Promise<SpareOperator> => {
  const [operator] = await makeSpareOperators(world, { count: 1, role })
  if (!operator) throw new Error('one was asked for')
  return operator
}

const signIn = async ({ secret, code }: SpareOperator, steps = 0): Promise<OperatorSession> =>
  (await world.client().createOperatorSession({ body: { secret, code: code(steps) } })).body

const asOperator = (key: string) => world.client({ bearer: key })

type Logged = { readonly actor: string; readonly action: string; readonly subject: string; readonly detail: unknown }

const logOf = (subject: string): Promise<Logged[]> =>
  world.sql<Logged[]>`select actor, action, subject, detail from audit_log where subject = ${subject} order by audit_id`

const actionsOf = async ({ operatorId }: { readonly operatorId: OperatorId }): Promise<string[]> =>
  (await logOf(`operator:${operatorId}`)).map(({ action }) => action)

test('secret and code of an operator get a key that says who they are and how long', async () => {
  const operator = await makeOperator('editor')
  const before = world.clock()
  const { operator: account, key, expiresAt } = await signIn(operator)
  expect(account).toEqual({ operatorId: operator.operatorId, name: operator.name, role: 'editor' })
  expect(Date.parse(expiresAt) - before - sessionMs).toBeGreaterThanOrEqual(0)
  expect(Date.parse(expiresAt) - world.clock() - sessionMs).toBeLessThanOrEqual(0)
  const { body } = await asOperator(key).getOperator()
  expect(body).toEqual({ ...account, keyId: expect.any(String), expiresAt })
})

test('a code is taken once: of four sign-ins with it at once one gets a key, and a later one gets none', async () => {
  const made = await makeOperator()
  // Of one step, though another one begins meanwhile.
  const code = made.code()
  const operator = { ...made, code: () => code }
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => outcomeOf(signIn(operator))))
  expect(outcomes.toSorted()).toEqual([...Array(3).fill('credential_invalid'), 'served'])
  expect(await outcomeOf(signIn(operator))).toBe('credential_invalid')
  // One that makeSpareOperators made, and one.
  expect(await world.sql`select from api_keys where operator_id = ${operator.operatorId}`).toHaveLength(2)
})

test('after a code no earlier one is taken, and a later one is', async () => {
  const operator = await makeOperator()
  expect(await outcomeOf(signIn(operator))).toBe('served')
  expect(await outcomeOf(signIn(operator, -1))).toBe('credential_invalid')
  expect(await outcomeOf(signIn(operator, 1))).toBe('served')
})

test('a wrong secret, a wrong code, a used code and a disabled account are refused alike', async () => {
  const [operator, used, disabled] = await Promise.all([makeOperator(), makeOperator(), makeOperator()])
  const usedCode = used.code()
  await signIn({ ...used, code: () => usedCode })
  await world.sql`update operators set disabled_at = now() where operator_id = ${disabled.operatorId}`
  const refusals = await Promise.all(
    [
      { secret: `os_${randomUUID()}`, code: operator.code() },
      { secret: operator.secret, code: operator.code(wrong) },
      { secret: used.secret, code: usedCode },
      { secret: disabled.secret, code: disabled.code() },
    ].map(async (body) => {
      const response = await fetch(`${world.edgeUrl}/v1/admin/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const problem = problemSchema.parse(await response.json())
      return JSON.stringify({ ...problem, requestId: '' })
    }),
  )
  expect([...new Set(refusals)]).toEqual([expect.stringContaining('"code":"credential_invalid"')])
})

test('five sign-ins of one secret in a row are looked at, more are 429; strangers use up no operator’s allowance', async () => {
  const operator = await makeOperator()
  const tries = []
  for (let time = 0; time < 6; time++) tries.push(await outcomeOf(signIn(operator, wrong)))
  expect(tries).toEqual([...Array(5).fill('credential_invalid'), 'too_many_requests'])

  const another = await makeOperator()
  const strangers = []
  for (let time = 0; time < 12; time++)
    strangers.push(await outcomeOf(signIn({ ...another, secret: `os_${randomUUID()}` })))
  expect(strangers).toContain('too_many_requests')
  expect(await outcomeOf(signIn(another))).toBe('served')
})

test('a key works until it expires and not a moment longer, also where the core has just seen it', async () => {
  const { key } = await signIn(await makeOperator())
  const headers = { authorization: `Bearer ${key}` }
  const ask = async () =>
    (await world.askCore({ method: 'GET', path: '/v1/admin/me', principal: { kind: 'operator' }, headers })).status
  const expireIn = (ms: number) =>
    world.sql`update api_keys set expires_at = ${new Date(world.clock() + ms)} where prefix = ${key.slice(0, 9)}`
  await expireIn(600)
  expect(await ask()).toBe(200)
  world.clock.advance(601)
  expect(await ask()).toBe(401)
  await expireIn(60_000)
  expect(await ask()).toBe(200)
  world.clock.advance(1_001)
  await expireIn(-1)
  expect(await ask()).toBe(401)
})

test('each role may do what those before it may and no more', async () => {
  expect(roles.map((role) => roles.filter((least) => reaches(role, least)))).toEqual([
    ['viewer'],
    ['viewer', 'editor'],
    ['viewer', 'editor', 'publisher'],
    ['viewer', 'editor', 'publisher', 'admin'],
  ])
  for (const role of roles) {
    const caller = asOperator((await makeOperator(role)).key)
    expect(await outcomeOf(caller.getOperator()), role).toBe('served')
    expect(await outcomeOf(caller.listAuditLog({ query: {} })), role).toBe(
      role === 'admin' ? 'served' : 'role_insufficient',
    )
  }
})

test('a key of a command is nobody’s session: it says so, and cannot be signed out', async () => {
  const machine = asOperator(world.keys.operator)
  expect((await machine.getOperator()).body).toMatchObject({ operatorId: null, name: 'test', expiresAt: null })
  expect(await outcomeOf(machine.endOperatorSession())).toBe('not_found')
  expect(await outcomeOf(machine.getOperator())).toBe('served')
})

test('who signs out is out within a second, and leaves the operator’s other sessions alone', async () => {
  const operator = await makeOperator()
  const { key } = await signIn(operator)
  expect(await outcomeOf(asOperator(key).endOperatorSession())).toBe('served')
  await eventually(async () => (await outcomeOf(asOperator(key).getOperator())) === 'key_invalid', 2_000)
  expect(await outcomeOf(asOperator(operator.key).getOperator())).toBe('served')
  expect(await actionsOf(operator)).toEqual(['operator.sign-in', 'operator.sign-out'])
})

test('a write of an operator and its row in the audit log commit together or not at all', async () => {
  const operator = await makeOperator()
  await world.sql`alter table idempotency_claims add constraint test_refuses check (principal not like 'operator:%') not valid`
  expect(await outcomeOf(asOperator(operator.key).endOperatorSession())).toBe('internal')
  await world.sql`alter table idempotency_claims drop constraint test_refuses`
  expect(await outcomeOf(asOperator(operator.key).getOperator())).toBe('served')
  expect(await actionsOf(operator)).toEqual([])
  expect(await outcomeOf(asOperator(operator.key).endOperatorSession())).toBe('served')
  expect(await logOf(`operator:${operator.operatorId}`)).toEqual([
    {
      actor: `operator:${operator.operatorId}`,
      action: 'operator.sign-out',
      subject: `operator:${operator.operatorId}`,
      detail: { keyId: expect.any(String) },
    },
  ])
})

test('an operator’s write that does not say what is to be written down does not compile', () => {
  const answer = { endedAt: new Date(0).toISOString() }
  const applied = { kind: 'applied', answer, events: [] } as const
  const audit = { action: 'operator.sign-out', subject: 'operator:x', detail: {} } as const
  expect(writes(endOperatorSession, async () => ({ ...applied, audit })).route).toBe(endOperatorSession)
  // @ts-expect-error: an outcome without it.
  writes(endOperatorSession, async () => applied)
  // @ts-expect-error: a way to bind that writes nothing down.
  answers(endOperatorSession, async () => answer)
  // @ts-expect-error: the same for sets.
  writesInSets(endOperatorSession, () => ({ statement: moveStatement, aggregate: 'x', input: {} }))
})

test('a sign-in that fails is written down too, and nothing that was tried with it', async () => {
  const operator = await makeOperator()
  const code = operator.code(wrong)
  expect(await outcomeOf(signIn(operator, wrong))).toBe('credential_invalid')
  const rows = await world.sql`select * from audit_log where subject = ${`operator:${operator.operatorId}`}`
  expect(rows).toMatchObject([{ actor: 'unknown', action: 'operator.sign-in-failed', detail: {} }])
  for (const text of [code, operator.secret, operator.name]) expect(JSON.stringify(rows)).not.toContain(text)
})

const command = (...args: string[]) => coreCommand(world, 'operators', ...args)

test('the operators command makes an account and shows secret and enrolment once; they sign in, and are kept as neither', async () => {
  const name = `Ada ${randomUUID()}`
  const [made] = await command('create', '--name', name, '--role', 'publisher')
  const operatorId = operatorIdSchema.parse(made?.operatorId)
  const [secret, totp] = [String(made?.secret), new URL(String(made?.totp)).searchParams.get('secret') ?? '']
  expect([secret, totp]).toEqual([expect.stringMatching(/^os_[\w-]{32}$/), expect.stringMatching(/^[A-Z2-7]{32}$/)])
  const listed = await command('list')
  expect(listed).toContainEqual(expect.objectContaining({ operatorId, name, role: 'publisher', disabledAt: null }))
  const stored = await world.sql`select * from operators where operator_id = ${operatorId}`
  for (const text of [secret, totp, base64Of(totp)]) expect(JSON.stringify([listed, stored])).not.toContain(text)

  const code = totpCode(Buffer.from(base64Of(totp), 'base64url'), totpStepOf(world.clock()))
  expect(await outcomeOf(world.client().createOperatorSession({ body: { secret, code } }))).toBe('served')

  await command('disable', '--name', name)
  const log = await logOf(`operator:${operatorId}`)
  // A command has a clock of its own, so they may be out of order.
  expect(log.map(({ actor, action }) => `${actor} ${action}`).toSorted()).toEqual([
    'command operator.create',
    'command operator.disable',
    `operator:${operatorId} operator.sign-in`,
  ])
})

const changes: Readonly<Record<string, (tx: Tx, on: OnAccount) => Promise<Audited<object>>>> = {
  'set-role': (tx, on) => setOperatorRole(tx, { ...on, role: 'viewer' }),
  'reset-totp': (tx, on) => resetOperatorTotp(tx, { ...on, secrets: secretsOf(world) }),
  'reset-secret': resetOperatorSecret,
  disable: disableOperator,
}

test.each(Object.entries(changes))(
  '%s ends the account’s sessions at once, and is written down',
  async (verb, change) => {
    const operator = await makeOperator()
    const { key } = await signIn(operator)
    const at = { cell, now: new Date(world.clock()) }
    await actByCommand(world.database.db, at, (tx) => change(tx, { name: operator.name, now: at.now }))
    const keys = await world.sql`select * from api_keys where operator_id = ${operator.operatorId}`
    expect(keys).toHaveLength(2)
    for (const row of keys) {
      expect(row.revoked_at).toEqual(at.now)
      expect(Number(row.version)).toBeGreaterThan(Number(row.created_at))
    }
    await eventually(async () => (await outcomeOf(asOperator(key).getOperator())) === 'key_invalid', 2_000)
    expect(await logOf(`operator:${operator.operatorId}`)).toContainEqual(
      expect.objectContaining({ actor: 'command', action: `operator.${verb}` }),
    )
  },
)

test('a reset takes what was there before: the former secret, or codes of the former enrolment', async () => {
  const on = (operator: SpareOperator) => ({ name: operator.name, now: new Date(world.clock()) })
  const { db } = world.database
  const [lost, told] = await Promise.all([makeOperator(), makeOperator()])
  await db.transaction((tx) => resetOperatorTotp(tx, { ...on(lost), secrets: secretsOf(world) }))
  expect(await outcomeOf(signIn(lost))).toBe('credential_invalid')
  const { answer } = await db.transaction((tx) => resetOperatorSecret(tx, on(told)))
  expect(await outcomeOf(signIn(told))).not.toBe('served')
  expect(await outcomeOf(signIn({ ...told, secret: answer.secret }))).toBe('served')
})

test('the operators command says what is wrong and ends with 1', async () => {
  const { name } = await makeOperator()
  const mistakes = [
    [['create', '--name', name, '--role', 'admin'], `there is an operator ${name}`],
    [['create', '--name', 'x', '--role', 'owner'], '--role is one of viewer, editor, publisher, admin'],
    [['disable', '--name', 'nobody'], 'there is no operator nobody'],
    [['delete'], 'operators create'],
  ] as const
  await Promise.all(
    mistakes.map(([args, told]) =>
      expect(command(...args), told).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(told) }),
    ),
  )
})

test('a change of role that meets a sign-in ends the session that it made', async () => {
  const { db } = world.database
  const now = new Date(world.clock())
  const keyId = await untilMet(async () => {
    const { operatorId, name, secret } = await makeOperator()
    const account = (await findOperatorBySecret(db, sha256(secret))) ?? expect.fail('it was made')
    const { changing, met, keyId } = await db.transaction(async (tx) => {
      // As a sign-in does it: the account is locked, and the key not there yet when the change begins.
      await takeTotpStep(tx, account, totpStepOf(world.clock()))
      const changing = Promise.allSettled([
        db.transaction((other) => setOperatorRole(other, { name, role: 'viewer', now })),
      ])
      const met = await meet(world, 1)
      const rights = { operatorId, role: 'admin' as const, origins: [], scopes: [] }
      const made = await storeApiKey(tx, { kind: 'operator', name, ...rights, expiresAt: null, cell, now })
      return { changing, met, keyId: made.keyId }
    })
    const [changed] = await changing
    return met && changed.status === 'fulfilled' ? keyId : undefined
  })
  const [key] = await world.sql`select revoked_at from api_keys where key_id = ${keyId}`
  expect(key?.revoked_at).toEqual(now)
})

/** Whoever waits for a lock for too long has met nobody. */
const unlessUnavailable = (error: unknown): undefined => {
  if (!(error instanceof CallError && error.is('unavailable'))) throw error
}

test('a sign-in that meets a change of role gets the new one', async () => {
  const session = await untilMet(async () => {
    const operator = await makeOperator()
    const { signingIn, met } = await world.database.db.transaction(async (tx) => {
      await setOperatorRole(tx, { name: operator.name, role: 'viewer', now: new Date(world.clock()) })
      return { signingIn: signIn(operator).catch(unlessUnavailable), met: await meet(world, 1) }
    })
    const session = await signingIn
    return met ? session : undefined
  })
  expect(session.operator.role).toBe('viewer')
})

test('a sign-in that meets a reset of its secret or of its enrolment gets nothing', async () => {
  const { db } = world.database
  const now = new Date(world.clock())
  const secrets = secretsOf(world)
  const resets = [
    (tx: Tx, name: string) => resetOperatorSecret(tx, { name, now }),
    (tx: Tx, name: string) => resetOperatorTotp(tx, { name, now, secrets }),
  ]
  for (const reset of resets) {
    const outcome = await untilMet(async () => {
      const operator = await makeOperator()
      const { signingIn, met } = await db.transaction(async (tx) => {
        await reset(tx, operator.name)
        return { signingIn: outcomeOf(signIn(operator)), met: await meet(world, 1) }
      })
      const outcome = await signingIn
      return met && outcome !== 'unavailable' ? outcome : undefined
    })
    expect(outcome).toBe('credential_invalid')
  }
})

test('the audit log comes page by page, the latest first, by subject or actor, and a cursor holds for its filter only', async () => {
  const [operator, reader] = await Promise.all([makeOperator(), makeOperator()])
  for (const steps of [wrong, 0, 1]) await outcomeOf(signIn(operator, steps))
  const admin = asOperator(reader.key)
  const subject = `operator:${operator.operatorId}`
  const all = (await admin.listAuditLog({ query: { subject } })).body
  expect(all.nextCursor).toBeUndefined()
  expect(all.entries.map(({ action }) => action.replace('operator.', ''))).toEqual([
    ...['sign-in', 'sign-in', 'sign-in-failed'],
  ])

  const paged = []
  let cursor: string | undefined
  do {
    const { body } = await admin.listAuditLog({ query: { subject, limit: 2, ...(cursor ? { cursor } : {}) } })
    expect(body.entries.length).toBeLessThanOrEqual(2)
    paged.push(...body.entries)
    cursor = body.nextCursor
  } while (cursor)
  expect(paged).toEqual(all.entries)

  const byActor = (await admin.listAuditLog({ query: { subject, actor: 'unknown' } })).body.entries
  expect(byActor).toEqual(all.entries.slice(2))
  const { nextCursor = '' } = (await admin.listAuditLog({ query: { subject, limit: 1 } })).body
  for (const query of [{ cursor: nextCursor }, { subject, cursor: 'AAAA' }, { subject, limit: 101 }])
    expect(await outcomeOf(admin.listAuditLog({ query }))).toBe('invalid_request')
})

test('what a query has beyond what the route takes reaches no core, however long it is', async () => {
  const { key } = await makeOperator()
  const url = `${world.edgeUrl}/v1/admin/audit?limit=1&other=${'x'.repeat(40_000)}`
  const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } })
  expect([response.status, (await response.json()) as unknown]).toEqual([
    200,
    expect.objectContaining({ entries: [expect.anything()] }),
  ])
})

test('keys of sessions that expired are deleted a day later, and no others', async () => {
  const [old, recent] = await Promise.all([makeOperator(), makeOperator()])
  const expire = ({ operatorId }: SpareOperator, agoMs: number) =>
    world.sql`update api_keys set expires_at = ${new Date(world.clock() - agoMs)} where operator_id = ${operatorId}`
  await expire(old, 24 * 3_600_000 + 1_000)
  await expire(recent, 24 * 3_600_000 - 60_000)
  const keysBefore = await world.sql`select key_id from api_keys`
  const { db } = world.database
  await createReaper({ db, log: createLog({ service: 'test' }, () => {}), clock: world.clock }).runOnce()
  expect(await world.sql`select from api_keys where operator_id = ${old.operatorId}`).toHaveLength(0)
  expect(await world.sql`select key_id from api_keys`).toHaveLength(keysBefore.length - 1)
})

/** Bytes as the core keeps them before it encrypts them, from how an authenticator is told. */
const base64Of = (base32: string): string => {
  const bits = Array.from(base32, (char) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'),
  ).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))).toString('base64url')
}
