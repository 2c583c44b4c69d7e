import { parseArgs } from 'node:util'
import { parseCommandConfig } from '#core/config.ts'
import { redrive } from '#core/dead-letters.ts'
import { type Database, openDatabase } from '#db/client.ts'
import {
  type DeadLetterKey,
  type DeadLetterRow,
  deleteDeadLetter,
  findDeadLetters,
  listWaitingDeadLetters,
} from '#db/dead-letters.ts'

const usage = `Events that a subscription of this cell could not take. Needs CELL, DATABASE_URL and MASTER_KEYS in the environment.

  dead-letters list [--subscription S] [--most N]      those that wait; N is 100 where it is not given
  dead-letters show EVENT_ID                           all of a message, and why it was given up
  dead-letters redrive EVENT_ID [--subscription S]     sends it to its subscription again
  dead-letters redrive --all [--subscription S]        the same for all that wait
  dead-letters discard EVENT_ID --subscription S       takes it away for good

Redriving twice sends once. --json prints one JSON object a line. Ends with 1 when something was not done.`

/** Ends the command with a message for whoever typed it. */
class UsageError extends Error {}

const pageSize = 200

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        subscription: { type: 'string' },
        most: { type: 'string', default: '100' },
        all: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${usage}`)
  }
}

type Arguments = ReturnType<typeof parse>

/** What waits, page by page, so that any number fits in memory. */
async function* waitingLetters(database: Database, of: Partial<DeadLetterKey>): AsyncGenerator<DeadLetterRow> {
  for (let after: DeadLetterKey | undefined; ; ) {
    const page = await listWaitingDeadLetters(database.db, { of, after, limit: pageSize })
    yield* page
    after = page.at(-1)
    if (page.length < pageSize) return
  }
}

const summaryOf = ({ eventId, subscription, attributes, reason, attempts, filedAt }: DeadLetterRow) => ({
  eventId,
  subscription,
  type: attributes['ce-type'] ?? 'unknown',
  subject: attributes['ce-subject'] ?? 'unknown',
  attempts,
  filedAt: filedAt.toISOString(),
  reason,
})

const run = async ({ positionals: [action, eventId], values }: Arguments, database: Database): Promise<void> => {
  const { subscription, all, json } = values
  const print = (row: Readonly<Record<string, unknown>>) =>
    console.log(
      json
        ? JSON.stringify(row)
        : Object.entries(row)
            .map(([name, value]) => `${name}: ${value}`)
            .join('  '),
    )

  const list = async () => {
    const most = Number(values.most)
    if (!Number.isSafeInteger(most) || most < 1) throw new UsageError(`--most is a whole number from 1\n\n${usage}`)
    let count = 0
    for await (const letter of waitingLetters(database, { ...(subscription ? { subscription } : {}) }))
      if (count++ < most) print(summaryOf(letter))
    if (!json) console.log(count > most ? `${count} wait, the first ${most} are shown` : `${count} wait`)
  }

  const show = async (id: string) => {
    const letters = await findDeadLetters(database.db, id)
    if (letters.length === 0) throw new UsageError(`no dead letter has the event id ${id}`)
    for (const letter of letters) {
      const { redrivenAt, attributes, data } = letter
      const text = Buffer.from(data).toString('utf8')
      const whole = { ...summaryOf(letter), redrivenAt: redrivenAt?.toISOString() ?? null, attributes, data: text }
      console.log(JSON.stringify(whole, null, json ? undefined : 2))
    }
  }

  const redriveAll = async (of: Partial<DeadLetterKey>) => {
    let sent = 0
    let failed = 0
    for await (const letter of waitingLetters(database, of)) {
      const { eventId: id, subscription: to } = letter
      try {
        if (!(await redrive(database, letter, new Date()))) continue
        sent++
        print({ eventId: id, subscription: to, redriven: true })
      } catch (error) {
        failed++
        print({ eventId: id, subscription: to, redriven: false, why: error instanceof Error ? error.message : error })
      }
    }
    if (sent + failed === 0 && of.eventId !== undefined) throw new UsageError(`no dead letter of ${of.eventId} waits`)
    if (!json) console.log(`${sent} sent again, ${failed} could not be`)
    if (failed > 0) process.exitCode = 1
  }

  if (action === 'list' && eventId === undefined) return list()
  if (action === 'show' && eventId !== undefined) return show(eventId)
  if (action === 'redrive' && (eventId === undefined) === all)
    return redriveAll({ ...(subscription ? { subscription } : {}), ...(eventId === undefined ? {} : { eventId }) })
  if (action === 'discard' && eventId !== undefined && subscription !== undefined) {
    if (!(await deleteDeadLetter(database.db, { subscription, eventId })))
      throw new UsageError(`no dead letter of ${subscription} has the event id ${eventId}`)
    return print({ eventId, subscription, discarded: true })
  }
  throw new UsageError(usage)
}

let database: Database | undefined
try {
  const given = parse()
  const { DATABASE_URL: url } = parseCommandConfig(process.env)
  database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 5_000, applicationName: 'perigee-dead-letters' })
  await run(given, database)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await database?.close(1_000)
}
