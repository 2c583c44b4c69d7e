/** What a span or a measurement says of itself. Never a value of a caller's: no id of a person, no token, no body, no query. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

export type SpanOptions = {
  readonly kind: 'server' | 'client' | 'producer' | 'consumer'
  readonly attributes?: Attributes
  /** W3C trace context of what this is a part of; the span that is active where it is absent. */
  readonly parent?: string
}

/** A stretch of work that is recorded. */
export type Span = {
  /** W3C trace context, for whoever does a part of this work. */
  readonly traceparent: string
  set(attributes: Attributes): void
  /** Ends it; what comes later is lost. @param failure what kind of failure it was, `error.type`; absent where it was none */
  end(failure?: string): void
}

/** A metric: its name, its unit in UCUM as OpenTelemetry has it, and a sentence. */
export type Metric = { readonly name: string; readonly unit: string; readonly description: string }

/** Something counted, with attributes of which there are few. */
export type Counter = (value: number, attributes: Attributes) => void

/** Something measured, of one set of attributes. It may be told on a second later. */
export type Series = (value: number) => void

export type Observation = { readonly value: number; readonly attributes?: Attributes }

/**
 * Spans and metrics, and no more of OpenTelemetry than the core needs. Nothing here throws, waits or logs: who is watched does
 * not notice.
 */
export type Telemetry = {
  /** Whether anything is recorded at all. */
  readonly enabled: boolean
  /** Begins a span. Undefined where it is not sampled, or is a part of nothing: no span begins a trace of its own unasked. */
  startSpan(name: string, options: SpanOptions): Span | undefined
  /** The span as a part of which the caller was called. */
  activeSpan(): Span | undefined
  /** Runs work as a part of a span, and all that it waits for; of none where it is undefined. */
  within<Result>(span: Span | undefined, work: () => Result): Result
  /** A sum that only grows. */
  counter(metric: Metric): Counter
  /**
   * Makes a series for each set of attributes, which is to be asked for once and kept.
   * @param boundaries upper bounds of the buckets, in the metric's unit, ascending
   */
  histogram(metric: Metric, boundaries: readonly number[]): (attributes: Attributes) => Series
  /** Reads a value, or a sum that only grows, whenever metrics are exported. */
  observe(kind: 'gauge' | 'counter', metric: Metric, read: () => readonly Observation[]): void
  /** Sends what has not been sent, for `maxMs` at the most; called twice it does nothing more. */
  close(maxMs: number): Promise<void>
}

const nothing = () => undefined

/** Records nothing. */
export const silentTelemetry: Telemetry = {
  enabled: false,
  startSpan: nothing,
  activeSpan: nothing,
  within: (_, work) => work(),
  counter: () => nothing,
  histogram: () => () => nothing,
  observe: nothing,
  close: async () => {},
}

/** Any of these says where telemetry goes. @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
const destinations = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
  'OTEL_METRICS_EXPORTER',
  'OTEL_CONFIG_FILE',
]

/** Who reports. */
export type ReportingService = {
  /** `service.name`, where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one. */
  readonly name: string
  /** What else its resource says. */
  readonly attributes: Attributes
}

/**
 * Telemetry as the standard environment variables want it; silent where they name no destination or say OTEL_SDK_DISABLED, and
 * then OpenTelemetry is not even loaded. Once a process: it makes itself the process's own.
 *
 * @param onLoss told, each few minutes at the most, how often something could not be sent
 */
export const createTelemetry = async (
  env: Readonly<{ [name: string]: string | undefined }>,
  service: ReportingService,
  onLoss: (times: number) => void,
): Promise<Telemetry> => {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true' || !destinations.some((name) => env[name]))
    return silentTelemetry
  const { startTelemetry } = await import('./telemetry-sdk.ts')
  return startTelemetry(service, onLoss)
}
