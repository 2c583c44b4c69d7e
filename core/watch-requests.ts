import { type LoadClass, loadClasses } from '#contract/load-class.ts'
import type { Attributes, Series, Telemetry } from '#infra/telemetry.ts'
import { metrics } from './metrics.ts'

/** A request under way, as it is seen. */
export type WatchedRequest = {
  /** What whoever works for this request carries on: the span's, where it is recorded. */
  readonly traceparent: string
  /** Its end. @param code of the fault, where it ended with one */
  end(outcome: { readonly status: number; readonly principal: string; readonly code: string | undefined }): void
}

/** A request as it came. */
type SeenRequest = {
  readonly method: string
  readonly route: string
  /** Undefined for what admission does not ask: events that are pushed, and paths that nobody serves. */
  readonly loadClass: LoadClass | undefined
  /** The caller's. */
  readonly traceparent: string
}

/** Sees a request to a route of ours. */
export type WatchRequests = <Result>(
  request: SeenRequest,
  answer: (watched: WatchedRequest) => Promise<Result>,
) => Promise<Result>

/** For where nobody watches. */
const unwatchedRequests: WatchRequests = ({ traceparent }, answer) => answer({ traceparent, end: () => {} })

/**
 * A span and a measurement for each request, by route: never by its path, which holds ids, and never with what it asked. What the
 * edge has not sampled is measured all the same.
 */
export const createWatchRequests = (telemetry: Telemetry): WatchRequests => {
  if (!telemetry.enabled) return unwatchedRequests
  const kindOf = createKinds(telemetry.histogram(metrics.requestDuration, seconds))
  const count = countByClass(telemetry)
  return ({ method, route, loadClass, traceparent }, answer) => {
    const startedAt = performance.now()
    const { name, attributes, durationOf } = kindOf(methods.has(method) ? method : '_OTHER', route, loadClass)
    const span = telemetry.startSpan(name, { kind: 'server', parent: traceparent, attributes })
    const end: WatchedRequest['end'] = ({ status, principal, code }) => {
      const failed = code ?? (status >= 400 ? String(status) : undefined)
      durationOf(status, failed)((performance.now() - startedAt) / 1_000)
      if (loadClass) count(loadClass, status)
      if (!span) return
      span.set({ ...endedAttributes(status, failed), 'perigee.principal': principal })
      // A refusal is an answer: only what is ours to mend is a failure.
      span.end(status >= 500 ? failed : undefined)
    }
    const watched = { traceparent: span?.traceparent ?? traceparent, end }
    return span ? telemetry.within(span, () => answer(watched)) : answer(watched)
  }
}

/**
 * Counts requests by class and by whether we answered. A refusal is an answer, unless it is for what is ours to mend: too much load
 * counts as a failure, as its caller sees it. Every count is there from the start, for a share of nothing known is no share.
 */
const countByClass = (telemetry: Telemetry) => {
  const counts = loadClasses.map((loadClass) => ({ loadClass, answered: 0, failed: 0 }))
  const byClass = new Map(counts.map((counted) => [counted.loadClass, counted]))
  telemetry.observe('counter', metrics.requests, () =>
    counts.flatMap(({ loadClass, answered, failed }) => [
      { value: answered, attributes: { 'perigee.load_class': loadClass, 'perigee.outcome': 'answered' } },
      { value: failed, attributes: { 'perigee.load_class': loadClass, 'perigee.outcome': 'failed' } },
    ]),
  )
  return (loadClass: LoadClass, status: number) => {
    const counted = byClass.get(loadClass)
    if (counted) counted[status >= 500 ? 'failed' : 'answered']++
  }
}

/** Requests of one method to one route. */
type Kind = {
  readonly name: string
  readonly attributes: Attributes
  /** Takes how long those took that ended so. */
  readonly durationOf: (status: number, failed: string | undefined) => Series
}

/** What is said of requests, made once: there are no more kinds and ends of them than routes, statuses and codes. */
const createKinds = (seriesOf: (attributes: Attributes) => Series) => {
  const known = new Map<string, Kind>()
  return (method: string, route: string, loadClass: LoadClass | undefined): Kind => {
    const name = `${method} ${route}`
    const found = known.get(name)
    if (found) return found
    const attributes = {
      'http.request.method': method,
      'http.route': route,
      'url.scheme': 'http',
      // A route has one class, so this makes no more series.
      ...(loadClass ? { 'perigee.load_class': loadClass } : {}),
    }
    const byEnd = new Map<string, Series>()
    const durationOf = (status: number, failed: string | undefined): Series => {
      const key = failed === undefined ? String(status) : `${status} ${failed}`
      const made = byEnd.get(key)
      if (made) return made
      const series = seriesOf({ ...attributes, ...endedAttributes(status, failed) })
      byEnd.set(key, series)
      return series
    }
    const kind = { name, attributes, durationOf }
    known.set(name, kind)
    return kind
  }
}

const endedAttributes = (status: number, failed: string | undefined): Attributes => ({
  'http.response.status_code': status,
  ...(failed === undefined ? {} : { 'error.type': failed }),
})

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Those of the semantic conventions, and two below: a cached read takes a millisecond. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
