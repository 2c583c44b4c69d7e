import { Skipped } from '#edge/breaker.ts'

/** A tier that was asked for an answer, how it did, and how long that took. */
export type Step = {
  readonly tier: 'data-centre' | 'upstash' | 'core'
  /** `skipped`: it failed too often just now, and was not asked. */
  readonly outcome: 'hit' | 'miss' | 'failed' | 'skipped'
  readonly durationMs: number
}

/** Notes of each tier that is asked how it did. What a tier has is a miss until `hit` says that it will do. */
export type Steps = {
  ask<Result>(tier: Step['tier'], work: () => Promise<Result>): Promise<Result>
  hit(): readonly Step[]
  readonly taken: readonly Step[]
}

export const createSteps = (clock: () => number): Steps => {
  const taken: Step[] = []
  return {
    taken,
    ask: async (tier, work) => {
      const startedAt = clock()
      const note = (outcome: Step['outcome']) => taken.push({ tier, outcome, durationMs: clock() - startedAt })
      try {
        const result = await work()
        note('miss')
        return result
      } catch (error) {
        note(error instanceof Skipped ? 'skipped' : 'failed')
        throw error
      }
    },
    hit: () => {
      const last = taken.at(-1)
      return last ? [...taken.slice(0, -1), { ...last, outcome: 'hit' }] : []
    },
  }
}
