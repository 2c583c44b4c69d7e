import type { Sample } from './sampling.ts'

/** The edge's own part of a trace. @see https://www.w3.org/TR/trace-context/ */
export type Trace = {
  readonly traceId: string
  /** The edge's span. */
  readonly spanId: string
  /** The caller's span; undefined where the trace begins here. */
  readonly parentId: string | undefined
  /** Whether it is recorded, here and by all that work for it. */
  readonly sampled: boolean
}

const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/
/** The one flag that there is. */
const sampledFlag = 1

/** What a caller says of its trace; undefined for nothing, or for what is no trace context. */
export const parseTraceparent = (text: string | undefined) => {
  const [, traceId, parentId, flags] = traceparentPattern.exec(text ?? '') ?? []
  if (!traceId || !parentId || !flags) return undefined
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & sampledFlag) === sampledFlag }
}

/**
 * A trace whose decision and ids are made when they are first asked for, and then stay: most requests are answered before anybody
 * needs either.
 */
export const createTrace = (caller: ReturnType<typeof parseTraceparent>, sample: Sample): Trace => {
  let sampled: boolean | undefined
  let traceId = caller?.traceId
  let spanId: string | undefined
  return {
    parentId: caller?.parentId,
    get sampled() {
      sampled ??= sample(caller?.isSampled ?? false)
      return sampled
    },
    get traceId() {
      traceId ??= randomHex()
      return traceId
    },
    get spanId() {
      // The half of an id whose first bit is always set: a span's must not be all zeros.
      spanId ??= randomHex().slice(16)
      return spanId
    },
  }
}

const randomHex = () => crypto.randomUUID().replaceAll('-', '')

/** For those who work for this request: they are a part of the edge's span. */
export const traceparentOf = ({ traceId, spanId, sampled }: Trace): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
