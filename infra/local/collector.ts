import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** Attributes as they were sent: text, numbers, booleans. */
export type CollectedAttributes = Readonly<Record<string, unknown>>

export type CollectedSpan = {
  readonly traceId: string
  readonly spanId: string
  /** Undefined for the first of a trace. */
  readonly parentId: string | undefined
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  /** Milliseconds since 1970, with fractions. */
  readonly startedAt: number
  readonly durationMs: number
  readonly failed: boolean
  readonly attributes: CollectedAttributes
  /** Of who sent it. */
  readonly resource: CollectedAttributes
}

/** One figure of a metric at one time. Of a histogram, `value` is the count and `sum` the sum. */
export type CollectedPoint = {
  readonly metric: string
  readonly unit: string
  readonly attributes: CollectedAttributes
  readonly value: number
  readonly sum: number | undefined
  readonly resource: CollectedAttributes
}

export type Collector = {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT; what sends to it must speak `http/json`. */
  readonly url: string
  close(): Promise<void>
}

/**
 * A collector of OTLP as JSON over HTTP, which hands on what it is sent.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export const startCollector = async (take: {
  readonly spans?: (spans: readonly CollectedSpan[]) => void
  readonly points?: (points: readonly CollectedPoint[]) => void
  /** The request as it came, parsed. */
  readonly raw?: (body: unknown) => void
}): Promise<Collector> => {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    const text = (req.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString()
    try {
      const body = JSON.parse(text) as OtlpBody
      take.raw?.(body)
      if (req.url === '/v1/traces') take.spans?.(spansOf(body))
      if (req.url === '/v1/metrics') take.points?.(pointsOf(body))
      res.setHeader('content-type', 'application/json').end('{}')
    } catch {
      res.writeHead(400).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** What a process is told so that it reports all of its spans, and its metrics each `intervalMs`, to a collector of ours. */
export const reportingTo = (
  { url }: Collector,
  { intervalMs }: { readonly intervalMs: number },
): Readonly<Record<string, string>> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  OTEL_BSP_SCHEDULE_DELAY: String(Math.min(intervalMs, 250)),
  OTEL_METRIC_EXPORT_INTERVAL: String(intervalMs),
  OTEL_METRIC_EXPORT_TIMEOUT: String(intervalMs),
})

type OtlpValue = {
  readonly stringValue?: string
  readonly intValue?: string | number
  readonly doubleValue?: number
  readonly boolValue?: boolean
}
type OtlpAttributes = readonly { readonly key: string; readonly value: OtlpValue }[]
type OtlpSpan = {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: OtlpAttributes
  readonly status?: { readonly code?: number }
}
type OtlpPoint = {
  readonly attributes?: OtlpAttributes
  readonly asInt?: string | number
  readonly asDouble?: number
  readonly count?: string | number
  readonly sum?: number
}
type OtlpMetric = {
  readonly name: string
  readonly unit?: string
} & { readonly [kind in 'gauge' | 'sum' | 'histogram']?: { readonly dataPoints: readonly OtlpPoint[] } }
type OtlpResource = { readonly resource?: { readonly attributes?: OtlpAttributes } }
type OtlpBody = {
  readonly resourceSpans?: readonly (OtlpResource & {
    readonly scopeSpans: readonly { spans: readonly OtlpSpan[] }[]
  })[]
  readonly resourceMetrics?: readonly (OtlpResource & {
    readonly scopeMetrics: readonly { metrics: readonly OtlpMetric[] }[]
  })[]
}

const readValue = ({ stringValue, intValue, doubleValue, boolValue }: OtlpValue): unknown =>
  stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue))

const attributesOf = (attributes: OtlpAttributes = []): CollectedAttributes =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]))

/** The numbers of OTLP's span kinds, and of the status that says error. */
const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const
const statusError = 2

const spansOf = ({ resourceSpans = [] }: OtlpBody): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentId: span.parentSpanId || undefined,
        name: span.name,
        kind: kinds[span.kind] ?? 'internal',
        startedAt: Number(BigInt(span.startTimeUnixNano) / 1_000n) / 1_000,
        durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        failed: span.status?.code === statusError,
        attributes: attributesOf(span.attributes),
        resource: attributesOf(resource?.attributes),
      })),
    ),
  )

const pointsOf = ({ resourceMetrics = [] }: OtlpBody): CollectedPoint[] =>
  resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(
        ({ name, unit = '', gauge, sum, histogram }) =>
          (gauge ?? sum ?? histogram)?.dataPoints.map((point) => ({
            metric: name,
            unit,
            attributes: attributesOf(point.attributes),
            value: Number(point.count ?? point.asDouble ?? point.asInt ?? 0),
            sum: point.sum,
            resource: attributesOf(resource?.attributes),
          })) ?? [],
      ),
    ),
  )
