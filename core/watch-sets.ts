import { databaseErrorCode } from '#db/errors.ts'
import type { Attributes, Span, Telemetry } from '#infra/telemetry.ts'
import { metrics } from './metrics.ts'

/** A kind of set: its name, and how many wait for the next one. */
export type SetKind = { readonly name: string; readonly waiting: () => number }

/** What is done with the sets of one kind. */
export type WatchedSets = {
  /** What whoever joins a set is a part of. */
  span(): Span | undefined
  /**
   * Runs one set. The statement is a part of the trace of each member that is recorded, not of whoever happened to send it; it runs
   * as a part of none, so that what it calls is not told twice.
   */
  run<Result>(members: readonly { readonly span: Span | undefined }[], work: () => Promise<Result>): Promise<Result>
}

/** Called once for each kind of set. */
export type WatchSets = (kind: SetKind) => WatchedSets

/** For where nobody watches. */
export const unwatched: WatchSets = () => ({ span: () => undefined, run: (_, work) => work() })

/** Measures sets by kind: how many go together, how long they take, how many wait. */
export const createWatchSets = (telemetry: Telemetry): WatchSets => {
  if (!telemetry.enabled) return unwatched
  const sizeOf = telemetry.histogram(metrics.setSize, setSizes)
  const durationOf = telemetry.histogram(metrics.setDuration, seconds)
  const kinds: SetKind[] = []
  telemetry.observe('gauge', metrics.setWaiting, () =>
    kinds.map(({ name, waiting }) => ({ value: waiting(), attributes: { 'perigee.set': name } })),
  )
  return (kind) => {
    kinds.push(kind)
    const attributes: Attributes = { 'perigee.set': kind.name }
    const [size, duration] = [sizeOf(attributes), durationOf(attributes)]
    const begin = (parent: Span, members: number) =>
      telemetry.within(parent, () =>
        telemetry.startSpan(`set ${kind.name}`, {
          kind: 'client',
          attributes: { ...attributes, 'db.system.name': 'postgresql', 'db.operation.batch.size': members },
        }),
      )
    return {
      span: telemetry.activeSpan,
      run: async (members, work) => {
        const startedAt = performance.now()
        const spans = members.flatMap(({ span }) => (span ? [begin(span, members.length)] : []))
        const end = (failure?: string) => {
          for (const span of spans) span?.end(failure)
          size(members.length)
          duration((performance.now() - startedAt) / 1_000)
        }
        try {
          const result = await telemetry.within(undefined, work)
          end()
          return result
        } catch (error) {
          end(databaseErrorCode(error) ?? 'error')
          throw error
        }
      },
    }
  }
}

const setSizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]
/** From what a statement takes to what a caller waits for. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
