import { parseArgs } from 'node:util'
import * as z from 'zod'
import { playerIdSchema } from '#contract/ids.ts'
import { type AuditBatch, type AuditTotals, auditLedger, estimateShare, noTotals } from '#core/audit-ledger.ts'
import { parseCommandConfig } from '#core/config.ts'
import { type Difference, listPlayerQuantiles } from '#db/audit.ts'
import { type Database, openDatabase } from '#db/client.ts'
import { isStatementTimeout } from '#db/errors.ts'

/** Of ten entries a player, it takes 80 ms and 15 MB of the server; larger ones went no faster. */
const batchDefault = 1_000
/** At ten times as much a snapshot is still had for less than a second. */
const batchMax = 10_000
/** One statement at a time keeps one backend busy at the most. On two cores 95 % of grants then took 8 to 14 ms instead of 5. */
const pauseMsDefault = 0
const pauseMsMax = 60_000
/** What a person reads. */
const mostDefault = 100
/** They can come with the answer of one batch, at 250 bytes each. */
const mostMax = 100_000

const usage = `Compares every wallet with the sum of its ledger entries. Reads only; DATABASE_URL may be a replica.
Needs CELL, DATABASE_URL and MASTER_KEYS in the environment.

  audit:ledger [--after PLAYER_ID] [--batch N] [--pause-ms N] [--most N] [--json]
  audit:ledger --player PLAYER_ID [--most N] [--json]

  --after      begins after this player; what an interrupted audit says to go on with
  --batch      players that one statement compares, 1 to ${batchMax}; ${batchDefault} if absent
  --pause-ms   rest between two statements, 0 to ${pauseMsMax}; ${pauseMsDefault} if absent
  --most       differences to print, 0 to ${mostMax}; ${mostDefault} if absent. All are counted
  --json       one JSON object a line: the differences, then the summary
  --player     looks at one player

Ends with 0 if there is no difference, 1 if there is one, 2 if it could not finish.`

/** A batch from a cold disk takes seconds; a snapshot that is held for longer than this keeps vacuum from its work. */
const statementTimeoutMs = 30_000
/** What the batch under way gets to end in, once somebody wants to stop. */
const stopGraceMs = 1_000
/** Often enough to see that it moves, seldom enough to stay on a screen. */
const progressEveryMs = 3_000

const exitCode = { clean: 0, differences: 1, unfinished: 2 } as const

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .refine(
      (digits) => /^\d{1,9}$/.test(digits) && Number(digits) >= min && Number(digits) <= max,
      `not a whole number from ${min} to ${max}`,
    )
    .transform(Number)

const argumentsSchema = z
  .strictObject({
    after: playerIdSchema.optional(),
    player: playerIdSchema.optional(),
    batch: wholeNumber(1, batchMax).default(batchDefault),
    'pause-ms': wholeNumber(0, pauseMsMax).default(pauseMsDefault),
    most: wholeNumber(0, mostMax).default(mostDefault),
    json: z.boolean().default(false),
  })
  .refine(({ after, player }) => !after || !player, { path: ['player'], message: 'stands alone, without --after' })

type Arguments = z.infer<typeof argumentsSchema>

const text = { type: 'string' } as const

const parse = (): Arguments => {
  try {
    const { values } = parseArgs({
      options: { after: text, player: text, batch: text, 'pause-ms': text, most: text, json: { type: 'boolean' } },
    })
    const given = argumentsSchema.safeParse(values)
    if (given.success) return given.data
    throw new Error(given.error.issues.map(({ path, message }) => `--${path.join()}: ${message}`).join('\n'))
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${usage}`)
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

const sentenceOf = (found: Difference): string => {
  switch (found.difference) {
    case 'balance':
      return `${found.playerId} ${found.currency}: the wallet states ${found.stated}, the entries sum to ${found.ledger}`
    case 'chain':
      return `${found.playerId} ${found.currency}: the entries are no chain: balance ${found.balance} is reached ${found.reached} times and left ${found.left} times (breaks like this: ${found.breaks})`
    case 'entries_missing':
      return `${found.playerId}: transaction ${found.transactionId} has no entries`
    case 'transaction_missing':
      return `${found.playerId} ${found.currency}: the entry of ${found.ledger} has no transaction ${found.transactionId}`
    case 'wallet_missing':
      return `${found.playerId} ${found.currency}: there is no wallet, the entries sum to ${found.ledger}`
  }
}

/** The command that goes on after `after`, with the same settings. */
const resumeCommand = (given: Arguments, after: string | undefined) =>
  [
    'npm run audit:ledger --',
    ...(given.player ? [`--player ${given.player}`] : []),
    ...(after ? [`--after ${after}`] : []),
    ...(given.batch === batchDefault ? [] : [`--batch ${given.batch}`]),
    ...(given['pause-ms'] === pauseMsDefault ? [] : [`--pause-ms ${given['pause-ms']}`]),
    ...(given.most === mostDefault ? [] : [`--most ${given.most}`]),
    ...(given.json ? ['--json'] : []),
  ].join(' ')

const countsOf = ({ wallets, entries, transactions, differences }: AuditTotals) =>
  `${wallets} wallets, ${entries} entries, ${transactions} transactions, ${differences} differences`

/** Tells how far the audit is, to whoever waits for it. */
const createProgress = (quantiles: readonly string[]) => {
  const startedAt = performance.now()
  let toldAt = startedAt
  return ({ totals, last }: AuditBatch) => {
    const now = performance.now()
    if (now - toldAt < progressEveryMs) return
    toldAt = now
    const share = estimateShare(quantiles, last)
    const percent =
      share === undefined ? 'share unknown until wallets is analyzed' : `about ${Math.round(share * 100)} %`
    const perSecond = Math.round((totals.wallets * 1_000) / (now - startedAt))
    console.error(`${countsOf(totals)}; ${perSecond} wallets/s, ${percent}, up to ${last}`)
  }
}

/** Answers the exit code. */
const run = async (given: Arguments, database: Database, signal: AbortSignal): Promise<number> => {
  const { after, player, json, 'pause-ms': pauseMs, batch, most } = given
  const print = (row: object, sentence: string) => console.log(json ? JSON.stringify(row) : sentence)
  let totals = noTotals
  let printed = 0
  let last = after
  const conclude = (finished: boolean) =>
    print(
      { finished, ...totals, printed, last: last ?? null },
      `${finished ? 'Finished' : 'Not finished'}: ${countsOf(totals)}${printed < totals.differences ? `, ${printed} of them printed` : ''}`,
    )
  try {
    const tell = createProgress(player ? [] : await listPlayerQuantiles(database))
    for await (const found of auditLedger(database, { after, player, batch, pauseMs, most, signal })) {
      for (const difference of found.listed) print(difference, sentenceOf(difference))
      printed += found.listed.length
      totals = found.totals
      last = found.last
      tell(found)
    }
  } catch (error) {
    conclude(false)
    console.error(signal.aborted ? 'stopped' : reasonOf(error))
    console.error(`To go on: ${resumeCommand(given, last)}`)
    return exitCode.unfinished
  }
  if (player && totals.wallets + totals.entries + totals.transactions === 0) {
    console.error(`${player} has neither a wallet nor a ledger`)
    return exitCode.unfinished
  }
  conclude(true)
  return totals.differences === 0 ? exitCode.clean : exitCode.differences
}

const reasonOf = (error: unknown) =>
  isStatementTimeout(error)
    ? `a batch took more than ${statementTimeoutMs} ms; a smaller --batch takes less`
    : messageOf(error)

let database: Database | undefined
try {
  const given = parse()
  const { DATABASE_URL: url } = parseCommandConfig(process.env)
  const opened = openDatabase({ url, poolMax: 2, statementTimeoutMs, applicationName: 'perigee-audit-ledger' })
  database = opened
  const stopping = new AbortController()
  const stop = () => {
    stopping.abort()
    void opened.close(stopGraceMs)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  process.exitCode = await run(given, opened, stopping.signal)
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = exitCode.unfinished
} finally {
  await database?.close(stopGraceMs)
}
