import {
  type Attributes,
  type Metric,
  type Observation,
  type Span,
  silentTelemetry,
  type Telemetry,
} from '#infra/telemetry.ts'

/** Telemetry that keeps what it is told. What is active is so for as long as the work runs without waiting. */
export type RecordedTelemetry = Telemetry & {
  readonly begun: { readonly name: string; readonly under: string | undefined; readonly attributes: Attributes }[]
  /** What is read at an export, by metric. */
  readonly observed: Map<string, () => readonly Observation[]>
  /** What counters and histograms were told. */
  readonly counted: { readonly metric: string; readonly value: number; readonly attributes: Attributes }[]
}

/** A span of that name, which is its `traceparent` too. */
export const namedSpan = (name: string): Span => ({ traceparent: name, set: () => {}, end: () => {} })

export const createRecordedTelemetry = (): RecordedTelemetry => {
  const begun: RecordedTelemetry['begun'] = []
  const counted: RecordedTelemetry['counted'] = []
  const observed: RecordedTelemetry['observed'] = new Map()
  const record =
    ({ name: metric }: Metric) =>
    (value: number, attributes: Attributes) =>
      void counted.push({ metric, value, attributes })
  let active: Span | undefined
  return {
    ...silentTelemetry,
    begun,
    counted,
    observed,
    enabled: true,
    activeSpan: () => active,
    within: (inner, work) => {
      const outer = active
      active = inner
      try {
        return work()
      } finally {
        active = outer
      }
    },
    startSpan: (name, { attributes = {} }) => {
      begun.push({ name, under: active?.traceparent, attributes })
      return namedSpan(name)
    },
    counter: record,
    histogram: (metric) => (attributes) => (value) => record(metric)(value, attributes),
    observe: (_, { name }, read) => void observed.set(name, read),
  }
}
