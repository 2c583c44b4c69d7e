import { type Attributes, type Span, silentTelemetry, type Telemetry } from '#infra/telemetry.ts'

/** Telemetry that keeps what it is told. What is active is so for as long as the work runs without waiting. */
export type RecordedTelemetry = Telemetry & {
  readonly begun: { readonly name: string; readonly under: string | undefined; readonly attributes: Attributes }[]
  readonly counted: { readonly metric: string; readonly value: number; readonly attributes: Attributes }[]
}

/** A span of that name, which is its `traceparent` too. */
export const namedSpan = (name: string): Span => ({ traceparent: name, set: () => {}, end: () => {} })

export const createRecordedTelemetry = (): RecordedTelemetry => {
  const begun: RecordedTelemetry['begun'] = []
  const counted: RecordedTelemetry['counted'] = []
  let active: Span | undefined
  return {
    ...silentTelemetry,
    begun,
    counted,
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
    counter:
      ({ name: metric }) =>
      (value, attributes) =>
        counted.push({ metric, value, attributes }),
  }
}
