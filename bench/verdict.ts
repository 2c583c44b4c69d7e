/** What we have promised, and what was found. */
export type Verdict = {
  readonly target: string
  readonly found: string
  /** Undefined where the figures that it needs were not measured. */
  readonly met: boolean | undefined
}

/** Judges one figure by another. */
export const verdict = (
  target: string,
  figures: {
    readonly own: number | undefined
    readonly other: number | undefined
    readonly tell: (own: number, other: number) => string
    readonly met: (own: number, other: number) => boolean
  },
): Verdict => {
  const { own, other, tell, met } = figures
  if (own === undefined || other === undefined) return { target, found: 'not measured', met: undefined }
  return { target, found: tell(own, other), met: met(own, other) }
}
