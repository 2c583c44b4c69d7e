/** A span as it is shown. */
export type ShownSpan = {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly name: string
  /** Who did it: `edge`, `core-eu1`. */
  readonly where: string
  /** Milliseconds since 1970, with fractions. */
  readonly startedAt: number
  readonly durationMs: number
  /** A word or two that stand behind it: a status, where it was answered from. */
  readonly detail: string | undefined
  readonly failed: boolean
}

/** The bar that stands for the whole of a trace, characters. */
const barWidth = 24
const namesMax = 60

/**
 * The spans of one trace as lines of text, each below what it is a part of, in the order in which they began, with a bar that says
 * when. A span whose parent is not there begins a tree of its own. Empty for none.
 */
export const treeOf = (spans: readonly ShownSpan[]): string[] => {
  const sorted = spans.toSorted((a, b) => a.startedAt - b.startedAt)
  const [first] = sorted
  if (!first) return []
  const begin = first.startedAt
  const end = greatest(sorted.map(({ startedAt, durationMs }) => startedAt + durationMs))
  const ids = new Set(sorted.map(({ spanId }) => spanId))
  const partsOf = Map.groupBy(sorted, ({ parentId }) => parentId)
  const rows: { readonly head: string; readonly span: ShownSpan }[] = []

  const add = (span: ShownSpan, head: string, below: string) => {
    rows.push({ head: `${head}${span.where}  ${span.name}`, span })
    const parts = partsOf.get(span.spanId) ?? []
    for (const [at, part] of parts.entries()) {
      const isLast = at === parts.length - 1
      add(part, `${below}${isLast ? '└ ' : '├ '}`, `${below}${isLast ? '  ' : '│ '}`)
    }
  }
  for (const span of sorted) if (span.parentId === undefined || !ids.has(span.parentId)) add(span, '', '')

  const width = Math.min(namesMax, greatest(rows.map(({ head }) => head.length)))
  return [
    `trace ${first.traceId}`,
    ...rows.map(({ head, span }) => {
      const { startedAt, durationMs, detail, failed } = span
      const bar = barOf({ from: startedAt - begin, durationMs, wholeMs: end - begin })
      const behind = [failed ? 'FAILED' : '', detail ?? ''].filter(Boolean).join(' ')
      return `  ${head.padEnd(width)}  ${bar}  ${durationMs.toFixed(1).padStart(7)} ms  ${behind}`.trimEnd()
    }),
  ]
}

/** 0 for none. As many arguments as there may be numbers here overflow the stack. */
const greatest = (numbers: readonly number[]): number => numbers.reduce((most, number) => Math.max(most, number), 0)

const barOf = ({ from, durationMs, wholeMs }: { from: number; durationMs: number; wholeMs: number }): string => {
  const scaled = (ms: number) => (wholeMs > 0 ? Math.round((ms / wholeMs) * barWidth) : 0)
  const length = Math.max(1, scaled(durationMs))
  const before = Math.min(scaled(from), barWidth - length)
  return ' '.repeat(before) + '█'.repeat(length) + ' '.repeat(barWidth - before - length)
}
