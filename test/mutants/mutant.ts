/** A line that a guarantee rests on, what it is spoiled with, and the test that must fail then. */
export type Mutant = {
  readonly name: string
  readonly file: string
  /** Must stand in the file exactly once. */
  readonly find: string
  readonly replace: string
  readonly test: string
  /** How the test's name begins. */
  readonly testName: string
}
