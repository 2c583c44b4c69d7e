import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, type PlayerId, type TransactionId } from '#contract/ids.ts'
import { estimateShare } from '#core/audit-ledger.ts'
import { type Difference, listPlayerQuantiles } from '#db/audit.ts'
import { freePort } from '#infra/local/ports.ts'
import { eventually } from './eventually.ts'
import { cell, startWorld, type World } from './harness.ts'
import { insertPlayers } from './wallet-calls.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** One run takes 0.7 s on an idle machine, and 4 s on one that runs everything else beside it. */
const manyRuns = { timeout: 90_000 }

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

const environment = (more: Readonly<Record<string, string>> = {}) => ({
  ...process.env,
  CELL: cell,
  DATABASE_URL: world.databaseUrl,
  MASTER_KEYS: world.secrets.masterKeys,
  ...more,
})

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

/** The command as a person runs it, to its end. */
const command = async (args: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ended> =>
  run(process.execPath, ['core/commands/audit-ledger.ts', ...args], { cwd: project, env: environment(more) }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )

/** What it says with `--json`: the differences, and the summary after them. */
const read = ({ code, stdout, stderr }: Ended) => {
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return { code, stderr, differences: lines.slice(0, -1) as Difference[], summary: lines.at(-1) }
}

const audit = async (...args: string[]) => read(await command([...args, '--json']))

type Change = { readonly currency: string; readonly amount: number }

/** A write as an edge sends it to the core. */
const move = async (playerId: PlayerId, changes: readonly Change[]) => {
  const response = await world.askCore({
    method: 'POST',
    path: `/v1/players/${playerId}/wallet/transactions`,
    principal: { kind: 'server' },
    headers: { authorization: `Bearer ${world.keys.server}`, 'idempotency-key': randomUUID() },
    body: JSON.stringify({ changes, reason: 'test' }),
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

const coins = (amount: number) => ({ currency: 'coins', amount })
const gems = (amount: number) => ({ currency: 'gems', amount })

const makePlayer = async (): Promise<PlayerId> => {
  const createdAt = new Date(world.clock())
  const playerId = newId('player', cell, createdAt.getTime())
  await insertPlayers(world.database.db, [playerId], { version: 1, createdAt })
  return playerId
}

/** Coins go 0, 10, 30, 25 in the transactions `a`, `b` and `c`. */
type Victim = { readonly playerId: PlayerId } & Readonly<Record<'a' | 'b' | 'c', TransactionId>>

const makeVictim = async (): Promise<Victim> => {
  const playerId = await makePlayer()
  const grant = async (amount: number): Promise<TransactionId> =>
    (await move(playerId, [coins(amount)])).body.transactionId
  return { playerId, a: await grant(10), b: await grant(20), c: await grant(-5) }
}

/** Takes a player out of wallet and ledger, so that the next test finds both whole. */
const forget = async (...playerIds: readonly PlayerId[]) => {
  await world.sql`delete from wallet_entries where player_id = any(${playerIds})`
  await world.sql`delete from wallet_transactions where player_id = any(${playerIds})`
  await world.sql`delete from wallets where player_id = any(${playerIds})`
}

/** As the core would, but by hand: a transaction of one entry, without the wallet. */
const insertGrant = async (
  sql: postgres.Sql,
  { playerId, amount, balanceAfter }: { playerId: PlayerId; amount: number; balanceAfter: number },
): Promise<TransactionId> => {
  const id = newId('transaction', cell, Date.now())
  await sql`insert into wallet_transactions (transaction_id, player_id, principal, reference, fingerprint, reason, answer, created_at)
    values (${id}, ${playerId}, 'test', ${id}, '', 'test', '{}', now())`
  await sql`insert into wallet_entries (player_id, transaction_id, currency, amount, balance_after)
    values (${playerId}, ${id}, 'coins', ${amount}, ${balanceAfter})`
  return id
}

test('what grants, spends and refusals have made is no difference: it ends with 0 and counts what it saw', async () => {
  const players = await Promise.all(Array.from({ length: 7 }, makePlayer))
  const statuses = await Promise.all(
    players.flatMap((playerId) => [
      move(playerId, [coins(50), gems(5)]),
      move(playerId, [coins(7)]),
      move(playerId, [coins(1), gems(-1_000)]),
      move(playerId, [{ currency: 'shells', amount: 1 }]),
    ]),
  ).then((answers) => answers.map(({ status }) => status))
  for (const playerId of players) statuses.push((await move(playerId, [coins(-57), gems(-5)])).status)
  const seen = await audit('--batch', '2')
  expect(new Set(statuses)).toEqual(new Set([200, 409, 422]))
  expect(seen).toMatchObject({ code: 0, differences: [], summary: { finished: true, differences: 0, printed: 0 } })
  expect(seen.summary).toMatchObject({ wallets: 7, entries: 35, transactions: 21, last: players.toSorted().at(-1) })
  expect(await command([])).toEqual({
    code: 0,
    stdout: 'Finished: 7 wallets, 35 entries, 21 transactions, 0 differences\n',
    stderr: '',
  })
})

test('transactions whose ids stand in another order than the changes of the wallet are no difference', async () => {
  const playerId = await makePlayer()
  const ids: TransactionId[] = []
  for (const amount of [10, 20, -5, 40]) {
    ids.push((await move(playerId, [coins(amount)])).body.transactionId)
    world.clock.advance(-1_000)
  }
  world.clock.advance(4_000)
  expect(ids.toSorted()).toEqual(ids.toReversed())
  expect(await audit('--player', playerId)).toMatchObject({ code: 0, summary: { entries: 4, differences: 0 } })
})

/** What is done to a player, and what must be found. */
type Tampering = {
  readonly name: string
  readonly tamper: (victim: Victim, bystander: Victim) => Promise<unknown>
  readonly found: (victim: Victim, bystander: Victim) => Difference[]
}

const tamperings: readonly Tampering[] = [
  {
    name: 'a balance that was raised',
    tamper: ({ playerId }) =>
      world.sql`update wallets set balances = balances || '{"coins":125}' where player_id = ${playerId}`,
    found: ({ playerId }) => [{ difference: 'balance', playerId, currency: 'coins', stated: '125', ledger: '25' }],
  },
  {
    name: 'a balance that is no number, and one past all numbers',
    tamper: ({ playerId }) =>
      world.sql`update wallets set balances = '{"coins":"25","gems":90071992547409930}' where player_id = ${playerId}`,
    found: ({ playerId }) => [
      { difference: 'balance', playerId, currency: 'coins', stated: '"25"', ledger: '25' },
      { difference: 'balance', playerId, currency: 'gems', stated: '90071992547409930', ledger: '0' },
    ],
  },
  {
    name: 'a currency that only the wallet has',
    tamper: ({ playerId }) =>
      world.sql`update wallets set balances = balances || '{"gems":0,"shells":3}' where player_id = ${playerId}`,
    found: ({ playerId }) => [{ difference: 'balance', playerId, currency: 'shells', stated: '3', ledger: '0' }],
  },
  {
    name: 'a currency that only the ledger has',
    tamper: ({ playerId }) => world.sql`update wallets set balances = balances - 'coins' where player_id = ${playerId}`,
    found: ({ playerId }) => [{ difference: 'balance', playerId, currency: 'coins', stated: '0', ledger: '25' }],
  },
  {
    name: 'balances that are no object',
    tamper: ({ playerId }) => world.sql`update wallets set balances = '[25]' where player_id = ${playerId}`,
    found: ({ playerId }) => [{ difference: 'balance', playerId, currency: 'coins', stated: '0', ledger: '25' }],
  },
  {
    name: 'an entry that was deleted',
    tamper: ({ b }) => world.sql`delete from wallet_entries where transaction_id = ${b}`,
    found: ({ playerId, b }) => [
      { difference: 'balance', playerId, currency: 'coins', stated: '25', ledger: '5' },
      { difference: 'chain', playerId, currency: 'coins', balance: '5', reached: 0, left: 1, breaks: 4 },
      { difference: 'entries_missing', playerId, transactionId: b },
    ],
  },
  {
    name: 'the last entry and its transaction, deleted',
    tamper: async ({ c }) => {
      await world.sql`delete from wallet_entries where transaction_id = ${c}`
      await world.sql`delete from wallet_transactions where transaction_id = ${c}`
    },
    found: ({ playerId }) => [{ difference: 'balance', playerId, currency: 'coins', stated: '25', ledger: '30' }],
  },
  {
    name: 'a grant in the middle that was deleted everywhere, its amount taken from the balance',
    tamper: async ({ playerId, b }) => {
      await world.sql`delete from wallet_entries where transaction_id = ${b}`
      await world.sql`delete from wallet_transactions where transaction_id = ${b}`
      await world.sql`update wallets set balances = '{"coins":5}' where player_id = ${playerId}`
    },
    found: ({ playerId }) => [
      { difference: 'chain', playerId, currency: 'coins', balance: '5', reached: 0, left: 1, breaks: 4 },
    ],
  },
  {
    name: 'an amount that was changed, and another one to make up for it',
    tamper: async ({ a, b }) => {
      await world.sql`update wallet_entries set amount = amount + 1 where transaction_id = ${a}`
      await world.sql`update wallet_entries set amount = amount - 1 where transaction_id = ${b}`
    },
    found: ({ playerId }) => [
      { difference: 'chain', playerId, currency: 'coins', balance: '-1', reached: 0, left: 1, breaks: 4 },
    ],
  },
  {
    name: 'a balance within the ledger that was changed, to the largest that there is',
    tamper: ({ b }) =>
      world.sql`update wallet_entries set balance_after = 9223372036854775807 where transaction_id = ${b}`,
    found: ({ playerId }) => [
      { difference: 'chain', playerId, currency: 'coins', balance: '10', reached: 1, left: 0, breaks: 4 },
    ],
  },
  {
    name: 'a grant that was counted twice',
    tamper: ({ playerId }) => insertGrant(world.sql, { playerId, amount: 20, balanceAfter: 30 }),
    found: ({ playerId }) => [
      { difference: 'balance', playerId, currency: 'coins', stated: '25', ledger: '45' },
      { difference: 'chain', playerId, currency: 'coins', balance: '10', reached: 1, left: 2, breaks: 4 },
    ],
  },
  {
    name: 'a transaction without its entries',
    tamper: async ({ playerId, b }) => {
      await world.sql`insert into wallet_transactions
        select ${b.slice(0, -4)} || '0000', ${playerId}, principal, 'again', fingerprint, reason, answer, created_at
        from wallet_transactions where transaction_id = ${b}`
    },
    found: ({ playerId, b }) => [
      { difference: 'entries_missing', playerId, transactionId: `${b.slice(0, -4)}0000` as TransactionId },
    ],
  },
  {
    name: 'an entry without its transaction',
    tamper: ({ b }) => world.sql`delete from wallet_transactions where transaction_id = ${b}`,
    found: ({ playerId, b }) => [
      { difference: 'transaction_missing', playerId, transactionId: b, currency: 'coins', ledger: '20' },
    ],
  },
  {
    name: 'a transaction that was given to another player',
    tamper: ({ b }, { playerId }) =>
      world.sql`update wallet_transactions set player_id = ${playerId} where transaction_id = ${b}`,
    found: ({ playerId, b }, bystander) => [
      { difference: 'transaction_missing', playerId, transactionId: b, currency: 'coins', ledger: '20' },
      { difference: 'entries_missing', playerId: bystander.playerId, transactionId: b },
    ],
  },
  {
    name: 'a wallet that was removed',
    tamper: ({ playerId }) => world.sql`delete from wallets where player_id = ${playerId}`,
    found: ({ playerId }) => [{ difference: 'wallet_missing', playerId, currency: 'coins', ledger: '25' }],
  },
]

const byPlayer = (differences: readonly Difference[]) =>
  differences.toSorted((a, b) => (a.playerId < b.playerId ? -1 : a.playerId > b.playerId ? 1 : 0))

/** One audit after all of the tampering, each with players of its own; made by the first test that asks. */
const auditOfAll = (() => {
  const tamperAndAudit = async () => {
    const expected = new Map<string, { readonly ids: readonly PlayerId[]; readonly differences: Difference[] }>()
    for (const { name, tamper, found } of tamperings) {
      const [victim, bystander] = await Promise.all([makeVictim(), makeVictim()])
      await tamper(victim, bystander)
      const ids = [victim.playerId, bystander.playerId]
      expected.set(name, { ids, differences: byPlayer(found(victim, bystander)) })
    }
    const seen = await audit('--batch', '3')
    await forget(...[...expected.values()].flatMap(({ ids }) => ids))
    return { expected, seen }
  }
  let made: ReturnType<typeof tamperAndAudit> | undefined
  return () => {
    made ??= tamperAndAudit()
    return made
  }
})()

test.each(tamperings)('$name: is told exactly', async ({ name }) => {
  const { expected, seen } = await auditOfAll()
  const { ids, differences } = expected.get(name) ?? { ids: [], differences: [] }
  expect(differences).not.toEqual([])
  expect(seen.differences.filter(({ playerId }) => ids.includes(playerId))).toEqual(differences)
})

test('of players whom nobody has tampered with nothing is told; with differences it ends with 1', async () => {
  const { expected, seen } = await auditOfAll()
  const all = [...expected.values()].flatMap(({ differences }) => differences)
  expect(seen.differences).toEqual(expect.arrayContaining(all))
  expect(seen).toMatchObject({ code: 1, summary: { finished: true, differences: all.length, printed: all.length } })
})

test('a difference is told in a sentence to who does not ask for JSON', async () => {
  const [one, two] = [await makeVictim(), await makeVictim()]
  await world.sql`delete from wallet_entries where transaction_id = ${one.b}`
  await world.sql`delete from wallet_transactions where transaction_id = ${two.b}`
  await world.sql`delete from wallets where player_id = ${two.playerId}`
  const first = await command(['--player', one.playerId])
  const second = await command(['--player', two.playerId])
  await forget(one.playerId, two.playerId)
  expect(first.stdout).toBe(
    `${one.playerId} coins: the wallet states 25, the entries sum to 5
${one.playerId} coins: the entries are no chain: balance 5 is reached 0 times and left 1 times (breaks like this: 4)
${one.playerId}: transaction ${one.b} has no entries
Finished: 1 wallets, 2 entries, 3 transactions, 3 differences
`,
  )
  expect(second.stdout).toBe(
    `${two.playerId} coins: the entry of 20 has no transaction ${two.b}
${two.playerId} coins: there is no wallet, the entries sum to 25
Finished: 0 wallets, 3 entries, 2 transactions, 2 differences
`,
  )
})

test('every difference is counted, and as many are printed as were asked for', async () => {
  const victims = await Promise.all(Array.from({ length: 5 }, makeVictim))
  const ids = victims.map(({ playerId }) => playerId)
  await world.sql`delete from wallets where player_id = any(${ids})`
  const three = await audit('--most', '3', '--batch', '2')
  const none = await audit('--most', '0')
  await forget(...ids)
  expect(three.differences.map(({ playerId }) => playerId)).toEqual(ids.toSorted().slice(0, 3))
  expect(three).toMatchObject({ code: 1, summary: { differences: 5, printed: 3 } })
  expect(none).toMatchObject({ code: 1, differences: [], summary: { differences: 5, printed: 0 } })
})

test(
  'of one player nothing but that player is looked at; of nobody it can say nothing and ends with 2',
  manyRuns,
  async () => {
    const [victim, other] = [await makeVictim(), await makeVictim()]
    await world.sql`delete from wallets where player_id = ${victim.playerId}`
    const seen = await audit('--player', victim.playerId)
    const clean = await audit('--player', other.playerId)
    await forget(victim.playerId)
    expect(seen).toMatchObject({ code: 1, summary: { wallets: 0, entries: 3, differences: 1 } })
    expect(clean).toMatchObject({ code: 0, summary: { wallets: 1, entries: 3, differences: 0 } })
    expect(await command(['--player', victim.playerId])).toEqual({
      code: 2,
      stdout: '',
      stderr: `${victim.playerId} has neither a wallet nor a ledger\n`,
    })
  },
)

test('while grants go on at full speed there is never a false difference', manyRuns, async () => {
  const players = await Promise.all(Array.from({ length: 20 }, makePlayer))
  let [going, applied, refused] = [true, 0, 0]
  const client = async (_: unknown, at: number) => {
    for (let turn = at; going; turn += 7) {
      const playerId = players[turn % players.length]
      if (!playerId) throw new Error('20 players were asked for')
      const { status } = await move(playerId, turn % 3 === 0 ? [coins(-40), gems(1)] : [coins(30), gems(2)])
      if (status === 200) applied++
      else refused++
    }
  }
  const clients = Promise.all(Array.from({ length: 12 }, client))
  const figures: number[] = []
  for (let round = 0; round < 4; round++) {
    const before = applied
    const seen = await audit('--batch', round % 2 === 0 ? '1' : '5', '--pause-ms', '5')
    expect(seen.differences).toEqual([])
    expect(seen).toMatchObject({ code: 0, summary: { finished: true, differences: 0 } })
    figures.push(applied - before)
  }
  going = false
  await clients
  expect(Math.min(...figures)).toBeGreaterThan(0)
  console.log(`audit-live: 4 audits while ${applied} writes were applied and ${refused} refused, 0 false differences`)
})

/** Until the audit's backend waits for a lock; it gives up after half a second. */
const untilItWaits = () =>
  eventually(async () => {
    const rows = await world.sql`select from pg_stat_activity
      where datname = current_database() and application_name like 'perigee-audit-ledger %' and wait_event_type = 'Lock'`
    return rows.length === 1
  }, 20_000)

test('a balance and its entries are seen as of one moment: a grant that commits between them is in both', async () => {
  const { playerId } = await makeVictim()
  let ended: ReturnType<typeof audit> | undefined
  await world.sql.begin(async (sql) => {
    await sql`lock table wallet_entries in access exclusive mode`
    await sql`update wallets set balances = '{"coins":125}' where player_id = ${playerId}`
    await insertGrant(sql as unknown as postgres.Sql, { playerId, amount: 100, balanceAfter: 125 })
    ended = audit('--player', playerId)
    await untilItWaits()
  })
  expect(await ended).toMatchObject({ code: 0, differences: [], summary: { entries: 4, differences: 0 } })
})

/** The command, under way. */
const startAudit = (...args: string[]) => {
  const child = spawn(process.execPath, ['core/commands/audit-ledger.ts', ...args], {
    cwd: project,
    env: environment(),
  })
  const ended = Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]).then(
    ([[code], stdout, stderr]): Ended => ({ code, stdout, stderr }),
  )
  return { process: child, stdout: child.stdout, ended }
}

/** The arguments of the command that it says to go on with. */
const toGoOn = (stderr: string): string[] => {
  const [, args] = /^To go on: npm run audit:ledger --(.*)$/m.exec(stderr) ?? []
  if (args === undefined) throw new Error(`no command to go on with: ${stderr}`)
  return args.split(' ').filter(Boolean)
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  'interrupted by %s it ends with 2 and says how to go on; the two parts together see all',
  async (signal) => {
    const earlier = await makePlayer()
    world.clock.advance(1)
    const ids = (await Promise.all(Array.from({ length: 6 }, makeVictim))).map(({ playerId }) => playerId).toSorted()
    await world.sql`update wallets set balances = '{"coins":1}' where player_id = any(${ids})`
    const child = startAudit('--json', '--batch', '2', '--pause-ms', '60000', '--after', earlier)
    await once(child.stdout, 'data')
    child.process.kill(signal)
    const first = read(await child.ended)
    const rest = toGoOn(first.stderr)
    const second = read(await command(rest.map((argument) => (argument === '60000' ? '0' : argument))))
    await forget(...ids)
    expect(rest).toEqual(['--after', ids[1], '--batch', '2', '--pause-ms', '60000', '--json'])
    expect(first).toMatchObject({ code: 2, summary: { finished: false, differences: 2, last: ids[1] } })
    expect(second).toMatchObject({ code: 1, summary: { finished: true, differences: 4 } })
    expect([...first.differences, ...second.differences].map(({ playerId }) => playerId)).toEqual(ids)
  },
)

test('a database that fails it between two batches ends it with 2, and it goes on from there', async () => {
  const earlier = await makePlayer()
  world.clock.advance(1)
  const ids = (await Promise.all(Array.from({ length: 3 }, makeVictim))).map(({ playerId }) => playerId).toSorted()
  await world.sql`update wallets set balances = '{"coins":1}' where player_id = any(${ids})`
  const child = startAudit('--json', '--batch', '1', '--pause-ms', '400', '--after', earlier)
  const first = await world.sql.begin(async (sql) => {
    await once(child.stdout, 'data')
    await sql`lock table wallets in access exclusive mode`
    return read(await child.ended)
  })
  const second = read(await command(toGoOn(first.stderr)))
  await forget(...ids)
  expect(first).toMatchObject({ code: 2, summary: { finished: false } })
  expect(first.stderr).toContain('lock timeout')
  expect(second).toMatchObject({ code: 1, summary: { finished: true } })
  expect([...first.differences, ...second.differences].map(({ playerId }) => playerId)).toEqual(ids)
})

test('a database that is not there ends it with 2, and the same command is the one to go on with', async () => {
  const url = `postgres://nobody:secret@127.0.0.1:${await freePort()}/none`
  const { code, stderr } = await command(['--most', '7'], { DATABASE_URL: url })
  expect(code).toBe(2)
  expect(stderr).toContain('ECONNREFUSED')
  expect(stderr).not.toContain('secret')
  expect(toGoOn(stderr)).toEqual(['--most', '7'])
})

test('it works where nothing may be written, and where nothing but the three tables may be read', async () => {
  const role = `auditor_${randomUUID().replaceAll('-', '')}`
  await makeVictim()
  await world.sql.unsafe(`create role ${role} login password 'auditor';
    grant select on wallets, wallet_entries, wallet_transactions to ${role}`)
  const url = new URL(world.databaseUrl)
  url.username = role
  url.password = 'auditor'
  url.searchParams.set('default_transaction_read_only', 'on')
  const seen = read(await command(['--json'], { DATABASE_URL: url.href }))
  await world.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  expect(seen).toMatchObject({ code: 0, summary: { finished: true, differences: 0 } })
  expect(seen.summary.entries).toBeGreaterThan(2)
})

test('what it cannot make sense of it answers with its usage and 2, and asks no database', manyRuns, async () => {
  const playerId = newId('player', cell, Date.now())
  const cases: readonly [args: readonly string[], ...messages: readonly string[]][] = [
    [['--fast'], "Unknown option '--fast'"],
    [['everything'], "Unexpected argument 'everything'"],
    [
      ['--after', playerId.slice(0, -1), '--player', 'ada', '--batch', '0', '--pause-ms', '60001', '--most', '1e3'],
      '--after: not a player id',
      '--player: not a player id',
      '--batch: not a whole number from 1 to 10000',
      '--pause-ms: not a whole number from 0 to 60000',
      '--most: not a whole number from 0 to 100000',
    ],
    [['--batch', '10001'], '--batch: not a whole number from 1 to 10000'],
    [['--player', playerId, '--after', playerId], '--player: stands alone'],
  ]
  for (const [args, ...messages] of cases) {
    const { code, stdout, stderr } = await command(args, { DATABASE_URL: 'postgres://127.0.0.1:1/none' })
    expect([code, stdout], args.join(' ')).toEqual([2, ''])
    for (const message of [...messages, 'audit:ledger [--after PLAYER_ID]']) expect(stderr).toContain(message)
  }
  const { code, stderr } = await command([], { DATABASE_URL: '' })
  expect(code).toBe(2)
  expect(stderr).toContain('DATABASE_URL is missing')
})

test('the share that was seen is told by where an id stands among those that part the wallets', async () => {
  const ids = Array.from({ length: 5 }, (_, at) => newId('player', cell, 1_000 * (at + 1)))
  const between = newId('player', cell, 3_500)
  const share = (last: PlayerId) => estimateShare(ids, last)
  expect([ids[0], ids[1], between, ids[4]].map((id) => id && share(id))).toEqual([0, 0.25, 0.5, 1])
  expect(share(newId('player', cell, 1))).toBe(0)
  expect(estimateShare([], between)).toBeUndefined()
  await world.sql`analyze wallets`
  const quantiles = await listPlayerQuantiles(world.database)
  const [row] = await world.sql`select min(player_id) as first, max(player_id) as last from wallets`
  expect([quantiles[0], quantiles.at(-1)]).toEqual([row?.first, row?.last])
})
