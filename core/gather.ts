import { Fault } from '#contract/problem.ts'
import { DeadlinePassed, isOutage } from '#db/errors.ts'
import type { Span } from '#infra/telemetry.ts'
import { unwatched, type WatchSets } from './watch-sets.ts'

/** More than this would not be served before their callers have gone. */
const waitingMax = 2_000

/** Inputs that one run takes, and runs that are under way, at the most. */
export type Sets = { readonly size: number; readonly inFlight: number }

export type GatherOptions<Input, Output> = {
  /** Does what is asked for all of them at once, and answers one by one in their order. */
  readonly run: (inputs: readonly Input[]) => Promise<readonly Output[]>
  /** What must not go together with its like; absent: anything may. */
  readonly keyOf?: (input: Input) => string
  /** What nobody waits for any more when its run begins, and so is not done; absent: nothing. */
  readonly isExpired?: (input: Input) => boolean
  readonly sets: Sets
  /** Under which name it is watched, and by whom; nobody does where it is absent. */
  readonly watched?: { readonly name: string; readonly watch: WatchSets }
}

type Pending<Input, Output> = {
  readonly input: Input
  /** What it is a part of, where that is recorded. */
  readonly span: Span | undefined
  readonly settle: PromiseWithResolvers<Output>
}

/**
 * Gathers what arrives while earlier runs are under way: a lone one goes at once, a crowd goes together. For statements that
 * need no idempotency key, because they are idempotent by themselves; writes have `createCombiner`.
 *
 * A run that fails is repeated one by one, unless the database is away, so that one input spoils it for nobody else. One that
 * did not begin in time for the first of its callers is put together anew.
 *
 * The function that it makes throws Fault `unavailable` when too many wait, `deadline_exceeded` for what `isExpired`.
 */
export const createGatherer = <Input, Output>({
  run,
  keyOf,
  isExpired = () => false,
  sets,
  watched: { name, watch } = { name: 'none', watch: unwatched },
}: GatherOptions<Input, Output>): ((input: Input) => Promise<Output>) => {
  let waiting: Pending<Input, Output>[] = []
  let inFlight = 0
  const watched = watch({ name, waiting: () => waiting.length })

  const pump = () => {
    while (inFlight < sets.inFlight && waiting.length > 0) {
      inFlight++
      void runSet(take()).finally(() => {
        inFlight--
        pump()
      })
    }
  }

  /** The first that wait, each key once; what is left keeps its place. */
  const take = (): Pending<Input, Output>[] => {
    if (!keyOf) return waiting.splice(0, sets.size)
    const keys = new Set<string>()
    const set: Pending<Input, Output>[] = []
    const left: Pending<Input, Output>[] = []
    for (const pending of waiting) {
      const key = keyOf(pending.input)
      if (set.length === sets.size || keys.has(key)) left.push(pending)
      else {
        keys.add(key)
        set.push(pending)
      }
    }
    waiting = left
    return set
  }

  const runSet = async (taken: readonly Pending<Input, Output>[]): Promise<void> => {
    const set = taken.filter(({ input, settle }) => {
      const expired = isExpired(input)
      if (expired) settle.reject(new Fault('deadline_exceeded'))
      return !expired
    })
    if (set.length === 0) return
    try {
      const outputs = await watched.run(set, () => run(set.map(({ input }) => input)))
      if (outputs.length !== set.length) throw new Error('a run left an input without an answer')
      for (const [at, { settle }] of set.entries()) settle.resolve(outputs[at] as Output)
    } catch (error) {
      if (error instanceof DeadlinePassed && set.some(({ input }) => isExpired(input))) await runSet(set)
      else if (set.length === 1 || isOutage(error)) for (const { settle } of set) settle.reject(error)
      else for (const pending of set) await runSet([pending])
    }
  }

  return (input) => {
    if (waiting.length >= waitingMax)
      return Promise.reject(new Fault('unavailable', { detail: `more than ${waitingMax} calls are waiting` }))
    const settle = Promise.withResolvers<Output>()
    waiting.push({ input, span: watched.span(), settle })
    pump()
    return settle.promise
  }
}
