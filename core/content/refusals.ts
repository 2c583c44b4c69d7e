import { type ContentFault, listedMax } from '#contract/content.ts'
import { Fault } from '#contract/problem.ts'
import type { Unpublishable } from '#core/publish.ts'

type Refused = { readonly kind: 'refused'; readonly fault: Fault }

/** The refusal of a change, by its code. */
export const refused = (code: 'not_found' | 'nothing_to_publish'): Refused => ({
  kind: 'refused',
  fault: new Fault(code),
})

/** The refusal of a document: `content_invalid` with the first faults, and how many there are. */
export const invalid = (faults: readonly ContentFault[]): Refused => ({
  kind: 'refused',
  fault: new Fault('content_invalid', { extras: { faults: faults.slice(0, listedMax), faultsTotal: faults.length } }),
})

/** Why nothing was published: `content_invalid`, or `nothing_to_publish`. */
export const unpublishable = (why: Unpublishable): Refused =>
  why.outcome === 'invalid' ? invalid(why.faults) : refused('nothing_to_publish')
