/** One thing that those who rely on the released document would stumble over. */
export type Break = {
  /** Where it stands in the released document; for what is new, in the current one. A JSON Pointer (RFC 6901) as a fragment. */
  readonly pointer: string
  /** What happened, and to whom. */
  readonly what: string
}

/**
 * Which way values travel. An `answer` (or an event) is read by others: the current schema may allow no value that the
 * released one did not. A `request` is written by others: the current schema must allow every value that the released one did.
 */
export type Travel = 'answer' | 'request'

export type Pair<T> = { readonly released: T; readonly current: T }

/** A pair by what is to hold of it: all that `narrow` allows is allowed by `wide`. */
export type Inclusion<T> = { readonly narrow: T; readonly wide: T }

export const inclusionOf = <T>({ released, current }: Pair<T>, travel: Travel): Inclusion<T> =>
  travel === 'answer' ? { narrow: current, wide: released } : { narrow: released, wide: current }

/** The inverse of `inclusionOf`. */
export const pairOf = <T>({ narrow, wide }: Inclusion<T>, travel: Travel): Pair<T> =>
  travel === 'answer' ? { released: wide, current: narrow } : { released: narrow, current: wide }

const consequence: Record<Travel, string> = {
  answer: 'readers can now receive what they never did',
  request: 'calls that were accepted are now refused',
}

/** Something passes that did not, or no longer passes. */
export const passes = (travel: Travel, what: string): string =>
  `${what} is ${travel === 'answer' ? 'now possible' : 'no longer taken'}: ${consequence[travel]}`

/** Something has another value. */
export const went = (travel: Travel, what: string, inclusion: Inclusion<string>): string => {
  const { released, current } = pairOf(inclusion, travel)
  return `${what} went from ${released} to ${current}: ${consequence[travel]}`
}

export const isGone = (travel: Travel, what: string): string =>
  travel === 'answer' ? `${what} is gone: readers rely on it` : `${what} is no longer taken: ${consequence.request}`

export const isNeeded = (travel: Travel, what: string): string =>
  travel === 'answer'
    ? `${what} can now be absent: readers rely on it`
    : `${what} is now required: ${consequence.request}`
