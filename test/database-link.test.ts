import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { budgetOf } from '#db/budget.ts'
import { connectionsOf, type Database, type DatabaseOptions, openDatabase, type Tx } from '#db/client.ts'
import { type Connection, command, openConnection } from '#db/connection.ts'
import { databaseErrorCode, isOutage, isStatementTimeout } from '#db/errors.ts'
import { heard } from '#db/heard.ts'
import { transact } from '#db/transaction.ts'
import { cloneDatabase } from './database.ts'
import { eventually } from './eventually.ts'
import { startHangingProxy } from './hanging-proxy.ts'

/** A silence is told after 175 to 250 ms; beside other tests a machine may be late. What it is without work beside stands in postgres-failover. */
const toldMaxMs = 1_000
/** What is refused at once is not asked of anybody. */
const atOnceMaxMs = 150

let clone: Awaited<ReturnType<typeof cloneDatabase>>
let direct: postgres.Sql
beforeEach(async () => {
  clone = await cloneDatabase()
  direct = postgres(clone.url, { max: 2, onnotice: () => {} })
  await direct`create table notes (note text primary key)`
})
afterEach(async () => {
  await direct.end({ timeout: 0 })
  await clone.drop()
})

const open = (options: Partial<DatabaseOptions> = {}): Database => {
  const database = openDatabase({
    ...{ url: clone.url, poolMax: 4, statementTimeoutMs: 5_000, setTimeoutMs: 2_000, applicationName: 'link' },
    ...options,
  })
  onTestFinished(() => database.close(0))
  return database
}
/** One connection, outside of any pool. */
const connect = (url: string): Connection => {
  const codecs = { parsers: {}, serializers: {} }
  const connection = openConnection({
    ...{ url, applicationName: 'link', codecs, timeoutMs: 5_000, pulse: undefined },
    onClosed: () => {},
  })
  onTestFinished(() => connection.destroy())
  return connection
}
const notes = async () =>
  (await direct<{ note: string }[]>`select note from notes order by note`).map(({ note }) => note)
/** How many the server has that have been used. */
const sessions = async () => {
  const rows = await direct`select from pg_stat_activity
    where application_name like 'link %' and datname = current_database() and query <> ''`
  return rows.length
}
/** Ends those that wait after this query, once there is one. */
const endIdle = (query: string) =>
  eventually(async () => {
    const ended = await direct`select pg_terminate_backend(pid, 1000) from pg_stat_activity
      where application_name like 'link %' and datname = current_database() and query = ${query} and state = 'idle'`
    return ended.length > 0
  }, 2_000)
const write = (note: string) => sql`insert into notes values (${note})`
const sleep = (seconds: number) => sql.raw(`select pg_sleep(${seconds})`)

/** How long it took, and what it threw. */
const outcomeOf = async (work: Promise<unknown>) => {
  const startedAt = performance.now()
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return { error, ms: performance.now() - startedAt }
}

/** This process does nothing else for so long. */
const block = (ms: number) => {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a statement that takes its time is not taken for silence, nor is a process that is busy itself', async () => {
  const { db, statement } = open()
  await db.execute(sleep(0.01))
  const slow = [outcomeOf(db.execute(sleep(1))), outcomeOf(statement('select pg_sleep(0.2)', []))]
  for (let round = 0; round < 3; round++) {
    block(400)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  expect((await Promise.all(slow)).map(({ error }) => error)).toEqual([undefined, undefined])
})

test('a database that falls silent rejects what is under way and what is new, and is used again when it answers', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const database = open({ url: clone.url.replace(/:\d+\//, `:${proxy.port}/`) })
  await database.statement('select 1', [])
  await eventually(async () => (await sessions()) === 2, 2_000)
  const long = outcomeOf(database.db.execute(sleep(4)))
  await database.db.transaction((tx) => tx.execute(write('before')))
  proxy.hang()
  const first = await outcomeOf(database.statement('select 1', []))
  expect(isOutage(first.error)).toBe(true)
  expect(first.ms).toBeLessThanOrEqual(toldMaxMs)
  expect(isOutage((await long).error)).toBe(true)
  const next = await outcomeOf(database.db.transaction((tx) => tx.execute(write('meanwhile'))))
  expect(isOutage(next.error)).toBe(true)
  expect(next.ms).toBeLessThanOrEqual(atOnceMaxMs)
  const ping = await outcomeOf(database.ping())
  expect(isOutage(ping.error)).toBe(true)
  expect(ping.ms).toBeLessThanOrEqual(atOnceMaxMs)
  proxy.resume()
  await eventually(async () => (await outcomeOf(database.ping())).error === undefined, 5_000)
  await database.db.transaction((tx) => tx.execute(write('after')))
  expect(await notes()).toEqual(['after', 'before'])
  expect(await sessions()).toBeLessThanOrEqual(connectionsOf(4))
})

test('whether a database is there is asked behind nobody, and answered soon when it is not', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const database = open({ poolMax: 2, url: clone.url.replace(/:\d+\//, `:${proxy.port}/`) })
  await database.ping()
  const inLine = Array.from({ length: 3 }, () => outcomeOf(database.statement('select pg_sleep(0.4)', [])))
  const asked = await outcomeOf(database.ping())
  expect(asked.error).toBeUndefined()
  expect(asked.ms).toBeLessThan(toldMaxMs)
  expect((await Promise.all(inLine)).map(({ error }) => error)).toEqual([undefined, undefined, undefined])
  proxy.hang()
  const { error, ms } = await outcomeOf(database.ping())
  expect(isOutage(error)).toBe(true)
  expect(ms).toBeLessThanOrEqual(toldMaxMs)
})

test('a connection to ask on that is slowly made anew is not taken for silence', async () => {
  const database = open()
  await database.statement('select 2', [])
  const long = outcomeOf(database.db.execute(sleep(3)))
  await direct.unsafe(`
    create function slowly() returns event_trigger language plpgsql as $$ begin perform pg_sleep(0.6); end $$;
    create event trigger slowly on login execute function slowly()`)
  await endIdle('select 1')
  expect((await long).error).toBeUndefined()
})

test('a silence is told though the connection to ask on was lost before it, in the middle of work', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const database = open({ url: clone.url.replace(/:\d+\//, `:${proxy.port}/`) })
  await database.statement('select 2', [])
  const asked = async () => {
    const rows = await direct`select from pg_stat_activity
      where application_name like 'link %' and datname = current_database() and query = 'select 1'`
    return rows.length > 0
  }
  await eventually(asked, 2_000)
  // No look finds it quiet for long, so that it is asked for no other reason than that its connection is a new one.
  const frozen = vi.spyOn(performance, 'now').mockReturnValue(performance.now())
  onTestFinished(() => frozen.mockRestore())
  await endIdle('select 1')
  for (let turn = 0; turn < 100 && !(await asked()); turn++) {
    await database.statement('select 2', [])
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  frozen.mockRestore()
  expect(await asked(), 'it is asked on a new connection').toBe(true)
  proxy.hang()
  const { error, ms } = await outcomeOf(database.statement('select 2', []))
  expect(isOutage(error)).toBe(true)
  expect(ms).toBeLessThanOrEqual(toldMaxMs)
})

test('a connection whose server has become one that takes no writes is not used again', async () => {
  await direct.unsafe(`alter database ${new URL(clone.url).pathname.slice(1)} set default_transaction_read_only = on`)
  const database = open({ poolMax: 2 })
  const refused = [database.db.execute(write('a')), database.db.transaction((tx) => tx.execute(write('b')))]
  for (const { error } of await Promise.all(refused.map(outcomeOf))) expect(databaseErrorCode(error)).toBe('25006')
  await direct.unsafe(`alter database ${new URL(clone.url).pathname.slice(1)} reset default_transaction_read_only`)
  await database.db.execute(write('c'))
  await database.db.transaction((tx) => tx.execute(write('d')))
  expect(await notes()).toEqual(['c', 'd'])
})

/** Of how long the server takes a statement to be good for, in a transaction. */
const limitOf = async (tx: Tx) => {
  const [row] = await tx.execute<{ limit: string }>(sql`select current_setting('statement_timeout') as limit`)
  return row?.limit
}

test('every statement of a transaction ends at the deadline, and nothing of it stays', async () => {
  let now = Date.now()
  const byHand = open({ clock: () => now })
  const limits = await byHand.until(now + 4_000).transaction(async (tx) => {
    const first = await limitOf(tx)
    now += 2_000
    return [first, await limitOf(tx)]
  })
  expect(limits).toEqual(['3985ms', '1985ms'])

  const database = open()
  await database.ping()
  const { error, ms } = await outcomeOf(
    database.until(Date.now() + 800).transaction(async (tx) => {
      await tx.execute(write('late'))
      await tx.execute(sleep(5))
    }),
  )
  expect(isStatementTimeout(error)).toBe(true)
  expect(ms).toBeLessThan(4_000)
  expect(await notes()).toEqual([])
})

test('after a savepoint was taken back the deadline still holds', async () => {
  let now = Date.now()
  const database = open({ clock: () => now })
  const limit = await database.until(now + 4_500).transaction(async (tx) => {
    const inner = tx.transaction(async (savepoint) => {
      now += 1_500
      await savepoint.execute(sql`select 1 / 0`)
    })
    await inner.catch(() => {})
    return limitOf(tx)
  })
  expect(limit).toBe('2985ms')
})

test('what waits for a connection beyond its deadline is not begun, and who waits longer is', async () => {
  const database = open({ poolMax: 2 })
  const holding = outcomeOf(database.db.execute(sleep(1.5)))
  const impatient = await outcomeOf(database.until(Date.now() + 200).execute(write('impatient')))
  expect(isStatementTimeout(impatient.error)).toBe(true)
  expect(impatient.ms).toBeLessThan(1_400)
  await database.until(Date.now() + 5_000).execute(write('patient'))
  await holding
  expect(await notes()).toEqual(['patient'])
})

test('when its connection breaks, nothing of a transaction is done on another one', async () => {
  const connection = connect(clone.url)
  const budget = budgetOf({ mostMs: 5_000, clock: Date.now })
  const { error } = await outcomeOf(
    transact(connection, budget, async (scope) => {
      const insert = (note: string) => scope.send(command(`insert into notes values ('${note}')`))
      await insert('first')
      const [own] = await scope.send<{ pid: number }[]>(command('select pg_backend_pid() as pid'))
      await direct`select pg_terminate_backend(${own?.pid ?? 0}, 1000)`
      await eventually(async () => connection.isClosed, 2_000)
      await Promise.all(['second', 'third'].map((note) => insert(note).catch(() => {})))
      await insert('fourth')
    }),
  )
  expect(isOutage(error)).toBe(true)
  expect(await notes()).toEqual([])
})

test('whatever sessions are ended under it, every transaction settles, and is done whole or not at all', async () => {
  await direct`create table pairs (id integer, side integer)`
  const database = open({ poolMax: 8 })
  await database.ping()
  let isOn = true
  let begun = 0
  const outcomes: { id: number; error: unknown }[] = []
  const work = async () => {
    while (isOn) {
      const id = begun++
      const { error } = await outcomeOf(
        database.db.transaction(async (tx) => {
          for (const side of [1, 2]) await tx.execute(sql`insert into pairs values (${id}, ${side})`)
        }),
      )
      outcomes.push({ id, error })
      // Some are ended while nobody uses them.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 6))
    }
  }
  const working = Array.from({ length: 8 }, work)
  for (const until = performance.now() + 3_000; performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 100))
    await direct`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'link %' and datname = current_database()`
  }
  isOn = false
  await eventually(async () => outcomes.length === begun, 3_000)
  await Promise.all(working)
  const failed = outcomes.filter(({ error }) => error !== undefined)
  expect(failed.length).toBeGreaterThan(20)
  expect(failed.filter(({ error }) => !isOutage(error))).toEqual([])
  const halves = await direct`select id from pairs group by id having count(*) <> 2`
  expect(halves).toHaveLength(0)
  const rows = await direct<{ id: number }[]>`select distinct id from pairs`
  const there = new Set(rows.map(({ id }) => id))
  expect(outcomes.filter(({ id, error }) => error === undefined && !there.has(id))).toEqual([])
})

test('a process that stood still hears what has come meanwhile before it finds that nothing has', async () => {
  const server = createServer((socket) => void serving.resolve(socket)).listen(0, '127.0.0.1')
  const serving = Promise.withResolvers<Socket>()
  await once(server, 'listening')
  const client = connectSocket((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => {
    client.destroy()
    server.close()
  })
  const socket = await serving.promise
  const answer = heard(once(client, 'data'), 50)
  socket.write('answer')
  const until = performance.now() + 100
  while (performance.now() < until);
  expect(String((await answer)[0])).toBe('answer')
})

test('what is not sent by its deadline, for a connection that is slowly made, is never done', async () => {
  const database = open()
  await database.ping()
  await direct.unsafe(`
    create function slowly() returns event_trigger language plpgsql as $$ begin perform pg_sleep(1.4); end $$;
    create event trigger slowly on login execute function slowly()`)
  const deadlineAt = Date.now() + 300
  const late = [
    database.until(deadlineAt).execute(write('late')),
    database.statement('insert into notes values ($1)', ['late in a set'], { beginBy: deadlineAt }),
    database.until(deadlineAt).transaction((tx) => tx.execute(write('late in a transaction'))),
  ]
  for (const { error, ms } of await Promise.all(late.map(outcomeOf))) {
    expect(isStatementTimeout(error)).toBe(true)
    // Sooner than a connection is made.
    expect(ms).toBeLessThan(1_300)
  }
  // What was sent too late would be in front of these, on the same connections.
  const patient = () => [database.db.execute(sleep(0.1)), database.db.transaction((tx) => tx.execute(sleep(0.1)))]
  await Promise.all([...patient(), ...patient()])
  expect(await notes()).toEqual([])
  await database.until(Date.now() + 2_000).execute(write('in time'))
  expect(await notes()).toEqual(['in time'])
})

test('what is sent on a connection that is just breaking is rejected too', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const url = clone.url.replace(/:\d+\//, `:${proxy.port}/`)
  const isAsleep = async () =>
    (await direct`select from pg_stat_activity where query like '%sleep(5)' and state = 'active'`).length > 0
  // Whether the two breaks are heard of in one turn of the loop is for the kernel to say.
  for (let scene = 0; scene < 5; scene++) {
    const [idle, busy] = [connect(url), connect(url)]
    await idle.send(command('select 1'))
    await busy.send(command('select 1'))
    // The idle one has had its error by then, and not its end.
    const after = busy.send(command('select pg_sleep(5)')).catch(() => outcomeOf(idle.send(command('select 1'))))
    await eventually(isAsleep, 2_000)
    proxy.reset()
    let outcome: unknown
    after.then((settled) => {
      outcome = settled
    })
    await eventually(async () => outcome !== undefined, 2_000)
    expect(outcome).toMatchObject({ error: expect.toSatisfy(isOutage) })
    await eventually(async () => !(await isAsleep()), 2_000)
  }
})

test('a transaction that fails as it begins leaves its connection outside of it', async () => {
  const connection = connect(clone.url)
  const failing = {
    ...connection,
    send: <Rows>(statement: ReturnType<typeof command>) =>
      connection.send<Rows>(statement.text.startsWith('begin') ? command('begin; select 1 / 0') : statement),
  }
  const budget = budgetOf({ mostMs: 2_000, clock: Date.now })
  const { error } = await outcomeOf(transact(failing, budget, async () => {}))
  expect(databaseErrorCode(error)).toBe('22012')
  await connection.send(command('select 1'))
  expect(connection.isClosed).toBe(false)
})

test('a transaction that passes over a failed statement does not look as if it had been committed', async () => {
  const database = open()
  const { error } = await outcomeOf(
    database.db.transaction(async (tx) => {
      await tx.execute(write('kept'))
      await tx.execute(write('kept')).catch(() => {})
    }),
  )
  expect(databaseErrorCode(error)).toBe('23505')
  await database.db.transaction(async (tx) => {
    await tx.execute(write('kept'))
    await tx.transaction((inner) => inner.execute(write('kept'))).catch(() => {})
  })
  expect(await notes()).toEqual(['kept'])
})
