import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  DiagLogLevel,
  diag,
  metrics,
  type ObservableResult,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { startNodeSdk } from '@opentelemetry/sdk-node'
import { createBatches } from './batches.ts'
import type { Metric, ReportingService, Span, SpanOptions, Telemetry } from './telemetry.ts'

/** What the SDK does where nobody has said otherwise. Its own minute between two exports is as long as an alert may take. */
const defaults = {
  OTEL_METRIC_EXPORT_INTERVAL: '15000',
  OTEL_METRIC_EXPORT_TIMEOUT: '10000',
  // Host and process tell command lines and users of the machine; where it runs is for OTEL_RESOURCE_ATTRIBUTES to say.
  OTEL_NODE_RESOURCE_DETECTORS: 'service',
}

/** Where one signal was named a destination alone, the other one goes nowhere, and not to the SDK's own idea of a collector. */
const exporters = (): Readonly<Record<string, string>> => {
  const { env } = process
  if (env.OTEL_EXPORTER_OTLP_ENDPOINT) return {}
  return {
    ...(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ? {} : { OTEL_TRACES_EXPORTER: 'none' }),
    ...(env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT ? {} : { OTEL_METRICS_EXPORTER: 'none' }),
  }
}

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

/** Under which our own form of the active span stands beside OpenTelemetry's. */
const activeKey = createContextKey('perigee span')

/** OpenTelemetry's SDK, by its own reading of the environment. @see createTelemetry */
export const startTelemetry = (service: ReportingService, onLoss: (times: number) => void): Telemetry => {
  for (const [name, value] of Object.entries({ ...defaults, ...exporters() })) process.env[name] ??= value
  const sdk = startNodeSdk({
    baseResource: defaultResource().merge(resourceFromAttributes({ 'service.name': service.name })),
    resourceAttributes: { ...service.attributes },
    // Logs have a way of their own, which is standard output.
    logRecordProcessors: [],
    ...(process.env.OTEL_LOG_LEVEL ? {} : { logLevel: 'none' }),
  })
  if (!process.env.OTEL_LOG_LEVEL) countLosses(onLoss)
  const tracer = trace.getTracer(service.name)
  const meter = metrics.getMeter(service.name)

  const unsampledIsDone = followsParents(tracer)
  const batches = createBatches()

  const startSpan = (name: string, { kind, attributes, parent }: SpanOptions): Span | undefined => {
    if (unsampledIsDone && parent?.endsWith('-00')) return undefined
    const around = parent === undefined ? context.active() : contextOf(parent)
    if (!around || (parent === undefined && !around.getValue(activeKey))) return undefined
    const span = tracer.startSpan(name, { kind: kinds[kind], ...(attributes ? { attributes } : {}) }, around)
    return span.isRecording() ? new RecordedSpan(span) : undefined
  }

  let closing: Promise<void> | undefined
  return {
    enabled: true,
    startSpan,
    activeSpan: () => context.active().getValue(activeKey) as Span | undefined,
    within: (span, work) => {
      const wanted = span instanceof RecordedSpan ? span.context : ROOT_CONTEXT
      // Mostly nothing is recorded, and to say so again would cost each promise of the work something.
      return context.active() === wanted ? work() : context.with(wanted, work)
    },
    counter: (metric) => {
      const counter = meter.createCounter(metric.name, metric)
      return (value, attributes) => counter.add(value, attributes)
    },
    histogram: (metric, boundaries) => {
      const advice = { explicitBucketBoundaries: [...boundaries] }
      const histogram = meter.createHistogram(metric.name, { ...metric, advice })
      return (attributes) => batches.series((value) => histogram.record(value, attributes))
    },
    observe: (kind, metric, read) => {
      const observable = createObservable(kind, metric)
      observable.addCallback((result: ObservableResult<Attributes>) => {
        for (const { value, attributes } of read()) result.observe(value, attributes)
      })
    },
    close: (maxMs) => {
      batches.flush()
      closing ??= Promise.race([
        sdk.shutdown().catch(() => {}),
        new Promise<void>((resolve) => setTimeout(resolve, maxMs).unref()),
      ])
      return closing
    },
  }

  function createObservable(kind: 'gauge' | 'counter', { name, ...metric }: Metric) {
    return kind === 'gauge' ? meter.createObservableGauge(name, metric) : meter.createObservableCounter(name, metric)
  }
}

/**
 * Whether no trace is recorded that its beginner has not sampled, as the SDK's sampler has it: then it need not be asked each time,
 * which costs more than all else that a request without a span costs. Samplers that go by the id take either the lowest or the
 * highest of all.
 */
const followsParents = (tracer: Tracer): boolean =>
  ['0'.repeat(31).concat('1'), '0'.repeat(32).replace(/.{8}/g, '00000001'), 'f'.repeat(32)].every((traceId) => {
    const span = tracer.startSpan('probe', {}, contextOf(`00-${traceId}-${'1'.repeat(16)}-00`))
    return !span.isRecording()
  })

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Undefined for what is no trace context. */
const contextOf = (traceparent: string): Context | undefined => {
  const [, traceId, spanId, flags] = traceparentPattern.exec(traceparent) ?? []
  if (!traceId || !spanId || !flags) return undefined
  const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return trace.setSpanContext(ROOT_CONTEXT, remote)
}

/** A span that is recorded, and the context of what is a part of it. */
class RecordedSpan implements Span {
  readonly traceparent: string
  readonly context: Context
  readonly #span: OtelSpan

  constructor(span: OtelSpan) {
    const { traceId, spanId } = span.spanContext()
    this.#span = span
    this.traceparent = `00-${traceId}-${spanId}-01`
    this.context = trace.setSpan(ROOT_CONTEXT, span).setValue(activeKey, this)
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes)
  }

  end(failure?: string): void {
    if (failure !== undefined) {
      this.#span.setAttribute('error.type', failure)
      this.#span.setStatus({ code: SpanStatusCode.ERROR })
    }
    this.#span.end()
  }
}

/** A collector that is away would fill the log with what nobody can help. */
const tellMs = 5 * 60_000

/**
 * In the place of the SDK's own words, which go to the console by the second and may repeat a header: how often it had to say
 * something. OTEL_LOG_LEVEL brings them back.
 */
const countLosses = (onLoss: (times: number) => void): void => {
  let times = 0
  let toldAt = Number.NEGATIVE_INFINITY
  const lost = () => {
    times++
    if (performance.now() - toldAt < tellMs) return
    onLoss(times)
    times = 0
    toldAt = performance.now()
  }
  const ignored = () => {}
  diag.setLogger(
    { error: lost, warn: lost, info: ignored, debug: ignored, verbose: ignored },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
