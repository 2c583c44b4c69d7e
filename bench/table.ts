import type { Measurement } from './measure.ts'
import type { Row } from './rounds.ts'

/** What a suite calls the figures that are its own. */
export type Terms = {
  /** Whose CPU `cpu.behind` is. */
  readonly behind: string
  readonly counts: readonly CountTerm[]
}

type CountTerm = {
  /** By which it is counted. */
  readonly name: string
  readonly title: string
  /** It is told for so many requests. */
  readonly per: number
  readonly digits: number
}

type Column = {
  readonly title: string
  readonly align: 'left' | 'right'
  readonly cell: (row: Row, atRate: Row | undefined) => string
}

const figure = (value: number | undefined, digits = 0): string =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits)

const right = (title: string, cell: Column['cell']): Column => ({ title, align: 'right', cell })

const columnsOf = ({ behind, counts }: Terms): readonly Column[] => [
  { title: 'path', align: 'left', cell: ({ scenario }) => scenario },
  { title: 'contestant', align: 'left', cell: ({ contestant }) => contestant },
  right('conns', ({ connections }) => String(connections)),
  right('req/s', ({ median }) => figure(median.requestsPerSecond)),
  right('±', ({ rounds }) => `${figure(spreadOf(rounds) * 100)} %`),
  right('p50 ms', ({ median }) => figure(median.p50Ms, 2)),
  right('p99 ms', ({ median }) => figure(median.p99Ms, 2)),
  right('at rate', (_, atRate) => figure(atRate?.rate)),
  right('p50 ms', (_, atRate) => figure(atRate?.median.p50Ms, 2)),
  right('p99 ms', (_, atRate) => figure(atRate?.median.p99Ms, 2)),
  right('CPU load', ({ median }) => figure(median.cpu.load)),
  right('server', ({ median }) => figure(median.cpu.server)),
  right(behind, ({ median }) => figure(median.cpu.behind)),
  right('others', ({ median: { others } }) => (others === undefined ? '' : `${figure(others * 100)} %`)),
  ...counts.map(({ name, title, per, digits }) =>
    right(title, ({ median }) => {
      const count = median.counts[name]
      return figure(count === undefined ? undefined : count * per, digits)
    }),
  ),
  right('errors', ({ median }) => errorsOf(median)),
]

/** Half the distance of the farthest rounds, as a share of what lies between them. */
export const spreadOf = (rounds: readonly Measurement[]): number => {
  const rates = rounds.map(({ requestsPerSecond }) => requestsPerSecond)
  const least = Math.min(...rates)
  const most = Math.max(...rates)
  return (most - least) / (most + least)
}

const errorsOf = ({ errors }: Measurement): string => {
  const list = Object.entries(errors).map(([what, count]) => `${count} x ${what}`)
  return list.length === 0 ? '0' : list.join(', ')
}

/** A Markdown table, aligned for a terminal too: a line a closed loop, with the open loop over as many connections beside it. */
export const tableOf = (rows: readonly Row[], terms: Terms): string => {
  const columns = columnsOf(terms)
  const lines = rows
    .filter(({ rate }) => rate === undefined)
    .map((row) => {
      const atRate = rows.find(
        (other) =>
          other.rate !== undefined &&
          other.scenario === row.scenario &&
          other.contestant === row.contestant &&
          other.connections === row.connections,
      )
      return columns.map(({ cell }) => cell(row, atRate))
    })
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...lines.map((cells) => cells[index]?.length ?? 0)),
  )
  const pad = (text: string, index: number) => {
    const width = widths[index] ?? 0
    return columns[index]?.align === 'left' ? text.padEnd(width) : text.padStart(width)
  }
  const rule = columns.map(({ align }, index) => {
    const dashes = '-'.repeat((widths[index] ?? 0) - 1)
    return align === 'left' ? `:${dashes}` : `${dashes}:`
  })
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(columns.map(({ title }, index) => pad(title, index))),
    line(rule),
    ...lines.map((cells) => line(cells.map(pad))),
  ].join('\n')
}
