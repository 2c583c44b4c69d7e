import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { budgetOf } from '#db/budget.ts'
import { connectionsOf, type Database, type DatabaseOptions, openDatabase } from '#db/client.ts'
import { type Connection, command, openConnection } from '#db/connection.ts'
import { databaseErrorCode, isOutage, isStatementTimeout } from '#db/errors.ts'
import { transact } from '#db/transaction.ts'
import { cloneDatabase } from './database.ts'
import { eventually } from './eventually.ts'
import { startHangingProxy } from './hanging-proxy.ts'

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
  expect(first.ms).toBeLessThanOrEqual(300)
  expect(isOutage((await long).error)).toBe(true)
  const next = await outcomeOf(database.db.transaction((tx) => tx.execute(write('meanwhile'))))
  expect(isOutage(next.error)).toBe(true)
  expect(next.ms).toBeLessThanOrEqual(20)
  const ping = await outcomeOf(database.ping())
  expect(isOutage(ping.error)).toBe(true)
  expect(ping.ms).toBeLessThanOrEqual(20)
  proxy.resume()
  await eventually(async () => (await outcomeOf(database.ping())).error === undefined, 5_000)
  await database.db.transaction((tx) => tx.execute(write('after')))
  expect(await notes()).toEqual(['after', 'before'])
  expect(await sessions()).toBeLessThanOrEqual(connectionsOf(4))
})

test('whether a database is there is asked behind nobody, and answered within 300 ms when it is not', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const database = open({ poolMax: 2, url: clone.url.replace(/:\d+\//, `:${proxy.port}/`) })
  await database.ping()
  const inLine = Array.from({ length: 3 }, () => outcomeOf(database.statement('select pg_sleep(0.4)', [])))
  expect(await outcomeOf(database.ping())).toMatchObject({ error: undefined, ms: expect.toSatisfy((ms) => ms < 300) })
  expect((await Promise.all(inLine)).map(({ error }) => error)).toEqual([undefined, undefined, undefined])
  proxy.hang()
  const { error, ms } = await outcomeOf(database.ping())
  expect(isOutage(error)).toBe(true)
  expect(ms).toBeLessThanOrEqual(300)
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
  const work = async (ms: number) => {
    for (const until = performance.now() + ms; performance.now() < until; ) await database.statement('select 2', [])
  }
  await work(100)
  const working = work(600)
  await endIdle('select 1')
  await working
  proxy.hang()
  const { error, ms } = await outcomeOf(database.statement('select 2', []))
  expect(isOutage(error)).toBe(true)
  expect(ms).toBeLessThanOrEqual(300)
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

test('every statement of a transaction ends at the deadline, and nothing of it stays', async () => {
  const database = open()
  await database.ping()
  const db = database.until(Date.now() + 800)
  const { error, ms } = await outcomeOf(
    db.transaction(async (tx) => {
      await tx.execute(write('late'))
      await tx.execute(sleep(0.6))
      await tx.execute(sleep(5))
    }),
  )
  expect(isStatementTimeout(error)).toBe(true)
  expect(ms).toBeLessThan(1_150)
  expect(await notes()).toEqual([])
})

test('after a savepoint was taken back the deadline still holds', async () => {
  const database = open()
  await database.ping()
  const { error, ms } = await outcomeOf(
    database.until(Date.now() + 1_200).transaction(async (tx) => {
      await tx.execute(sleep(0.4))
      const inner = tx.transaction(async (savepoint) => {
        await savepoint.execute(sleep(0.5))
        await savepoint.execute(sql`select 1 / 0`)
      })
      await inner.catch(() => {})
      await tx.execute(sleep(5))
    }),
  )
  expect(isStatementTimeout(error)).toBe(true)
  expect(ms).toBeLessThan(1_500)
})

test('what waits for a connection beyond its deadline is not begun, and who waits longer is', async () => {
  const database = open({ poolMax: 2 })
  const holding = outcomeOf(database.db.execute(sleep(0.6)))
  const impatient = await outcomeOf(database.until(Date.now() + 200).execute(write('impatient')))
  expect(isStatementTimeout(impatient.error)).toBe(true)
  expect(impatient.ms).toBeLessThan(400)
  await database.until(Date.now() + 3_000).execute(write('patient'))
  await holding
  expect(await notes()).toEqual(['patient'])
})

test('when its connection breaks, nothing of a transaction is done on another one', async () => {
  const database = open()
  const { error } = await outcomeOf(
    database.db.transaction(async (tx) => {
      await tx.execute(write('first'))
      const [own] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`)
      await direct`select pg_terminate_backend(${own?.pid ?? 0}, 1000)`
      const second = tx.execute(write('second')).catch(() => {})
      const third = tx.execute(write('third')).catch(() => {})
      await Promise.all([second, third])
      await tx.execute(write('fourth'))
    }),
  )
  expect(isOutage(error)).toBe(true)
  await database.db.execute(write('outside'))
  expect(await notes()).toEqual(['outside'])
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

test('what is not sent by its deadline, for a connection that is slowly made, is never done', async () => {
  const database = open()
  await database.ping()
  await direct.unsafe(`
    create function slowly() returns event_trigger language plpgsql as $$ begin perform pg_sleep(0.8); end $$;
    create event trigger slowly on login execute function slowly()`)
  const deadlineAt = Date.now() + 300
  const late = [
    database.until(deadlineAt).execute(write('late')),
    database.statement('insert into notes values ($1)', ['late in a set'], { beginBy: deadlineAt }),
    database.until(deadlineAt).transaction((tx) => tx.execute(write('late in a transaction'))),
  ]
  for (const { error, ms } of await Promise.all(late.map(outcomeOf))) {
    expect(isStatementTimeout(error)).toBe(true)
    expect(ms).toBeLessThan(500)
  }
  // What was sent too late would be in front of these, on the same connections.
  const patient = () => [database.db.execute(sleep(0.1)), database.db.transaction((tx) => tx.execute(sleep(0.1)))]
  await Promise.all([...patient(), ...patient()])
  expect(await notes()).toEqual([])
  await database.until(Date.now() + 300).execute(write('in time'))
  expect(await notes()).toEqual(['in time'])
})

test('what is sent on a connection that is just breaking is rejected too', async () => {
  const proxy = await startHangingProxy(Number(new URL(clone.url).port))
  onTestFinished(() => proxy.close())
  const url = clone.url.replace(/:\d+\//, `:${proxy.port}/`)
  const idle = connect(url)
  await idle.send(command('select 1'))
  const busy = connect(url)
  await busy.send(command('select 1'))
  // The idle one has had its error by then, and not its end.
  const after = busy.send(command('select pg_sleep(5)')).catch(() => outcomeOf(idle.send(command('select 1'))))
  await eventually(
    async () => (await direct`select from pg_stat_activity where query like '%sleep(5)'`).length === 1,
    2_000,
  )
  proxy.reset()
  let outcome: unknown
  after.then((settled) => {
    outcome = settled
  })
  await eventually(async () => outcome !== undefined, 2_000)
  expect(outcome).toMatchObject({ error: expect.toSatisfy(isOutage) })
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
