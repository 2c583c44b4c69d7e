import { type CollectedSpan, type Collector, startCollector } from './collector.ts'
import { type ShownSpan, treeOf } from './trace-tree.ts'

/** After this much silence a trace is whole: spans leave a core each quarter of a second, and a consumer comes last. */
const quietMs = 1_000
const pollMs = 250
/** What somebody can read; the others are counted. */
const treesPerSecond = 3
/** More of one trace is no longer read, and a caller who sends one `traceparent` with all requests makes a trace that is never quiet. */
const spansMax = 500
/** Traces that wait to be whole. */
const openMax = 500

export type Traces = {
  /** What cores are to report to. */
  readonly collector: Collector
  /** Takes a line of the edge's log, whatever it says. */
  takeEdgeLine(line: string): void
}

/**
 * Takes the spans of cores and, out of its log, the edge's, and prints each trace as a tree when it is whole; one of more than 500
 * spans in parts. Does not keep the process alive.
 */
export const startTraces = async (print: (line: string) => void): Promise<Traces> => {
  const open = new Map<string, { spans: ShownSpan[]; lastAt: number }>()
  const take = (span: ShownSpan) => {
    const trace = open.get(span.traceId) ?? { spans: [], lastAt: 0 }
    trace.spans.push(span)
    trace.lastAt = performance.now()
    open.set(span.traceId, trace)
    if (trace.spans.length >= spansMax) close(span.traceId, trace.spans)
    if (open.size > openMax) open.delete(open.keys().next().value ?? '')
  }

  let printed = 0
  let passedOver = 0
  let second = 0
  const beginSecond = () => {
    const now = Math.floor(performance.now() / 1_000)
    if (now === second) return
    second = now
    printed = 0
  }
  const close = (traceId: string, spans: readonly ShownSpan[]) => {
    open.delete(traceId)
    beginSecond()
    if (printed >= treesPerSecond) {
      passedOver++
      return
    }
    printed++
    for (const line of treeOf(spans)) print(line)
    print('')
  }
  const printWhole = () => {
    const now = performance.now()
    for (const [traceId, { spans, lastAt }] of open) if (now - lastAt >= quietMs) close(traceId, spans)
    beginSecond()
    if (passedOver === 0 || printed >= treesPerSecond) return
    print(`${passedOver} more traces were not printed`)
    passedOver = 0
  }
  setInterval(printWhole, pollMs).unref()

  const collector = await startCollector({
    spans: (spans) => {
      for (const span of spans) take(shownOf(span))
    },
  })
  return {
    collector,
    takeEdgeLine: (line) => {
      const span = edgeSpanOf(line)
      if (span) take(span)
    },
  }
}

const shownOf = (span: CollectedSpan): ShownSpan => {
  const { attributes, resource } = span
  const details = [
    attributes['http.response.status_code'],
    attributes['error.type'],
    attributes['db.operation.batch.size'] === undefined ? undefined : `of ${attributes['db.operation.batch.size']}`,
  ]
  return {
    ...span,
    where: `core-${resource['perigee.cell']}`,
    detail: details.filter((detail) => detail !== undefined).join(' ') || undefined,
  }
}

/** The edge's part of a trace, which is in the line of its request. Undefined for any other line. */
const edgeSpanOf = (line: string): ShownSpan | undefined => {
  try {
    const { message, trace, span, parent, sampled, method, route, status, cache, time, durationMs } = JSON.parse(line)
    if (message !== 'request' || !span || !sampled) return undefined
    return {
      traceId: trace,
      spanId: span,
      parentId: parent,
      name: `${method} ${route}`,
      where: 'edge',
      startedAt: Date.parse(time) - durationMs,
      durationMs,
      detail: [status, cache].filter(Boolean).join(' '),
      failed: status >= 500,
    }
  } catch {
    return undefined
  }
}
