import { databaseErrorCode } from '#db/errors.ts'
import type { Observe } from '#db/observed.ts'
import type { Telemetry } from '#infra/telemetry.ts'

/** Statements with lists of several lengths have several texts; ours are some hundreds. */
const summariesMax = 2_000

/**
 * Sees each statement that is a part of something recorded, by what it does to which tables: its text may hold a literal, and its
 * values are a caller's. Undefined where nothing is recorded.
 */
export const observeQueries = (telemetry: Telemetry): Observe | undefined => {
  if (!telemetry.enabled) return undefined
  const summaries = new Map<string, string>()
  const remembered = (text: string): string => {
    const known = summaries.get(text)
    if (known !== undefined) return known
    if (summaries.size >= summariesMax) summaries.clear()
    const summary = summaryOf(text)
    summaries.set(text, summary)
    return summary
  }
  return ({ text }) => {
    if (!telemetry.activeSpan()) return undefined
    const summary = remembered(text)
    const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': summary }
    const span = telemetry.startSpan(summary, { kind: 'client', attributes })
    return (error) => span?.end(error === undefined ? undefined : (databaseErrorCode(error) ?? 'error'))
  }
}

/** Tables that one statement of ours names; more would be no summary. */
const partsMax = 3

const writePattern = /(?<!for |for no key |do )\b(insert into|update|delete from)\s+"?([a-z_]+)"?/g
const readPattern = /\bfrom\s+"?([a-z_]+)"?/

/**
 * What a statement does, such as `select players` or `insert players, insert outbox`: its writes, or the first table that it
 * reads, or its first word.
 */
export const summaryOf = (text: string): string => {
  const lower = text.toLowerCase()
  const writes = [...lower.matchAll(writePattern)].map(([, verb = '', table = '']) => `${verb.split(' ')[0]} ${table}`)
  if (writes.length > 0) return [...new Set(writes)].slice(0, partsMax).join(', ')
  const table = readPattern.exec(lower)?.[1]
  return table === undefined ? (/[a-z]+/.exec(lower)?.[0] ?? 'statement') : `select ${table}`
}
