import type { Cell } from '#contract/ids.ts'
import type { LoadClass } from '#contract/load-class.ts'

/** A request to a cell's core. */
export type CoreRequest = {
  readonly cell: Cell
  /** Another cell that can do the same. It is asked where the first one is not reached. */
  readonly alternative?: Cell | undefined
  /** Absent: the edge asks for all of its callers, and is not throttled. */
  readonly loadClass?: LoadClass
  readonly method: string
  /** True: done twice it has one effect and one answer. A GET need not say so. */
  readonly repeatable?: boolean
  /** Path with query. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Uint8Array
  /** When the caller stops to wait, ms since 1970. */
  readonly deadlineAt: number
}

/** An answer of a core, read to its end: text can be shared between requests, a Response cannot. */
export type CoreAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of its problem document, where it is one. */
  readonly code?: string | undefined
}
