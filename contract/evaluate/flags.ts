import { createAttributes, type Facts, type Subject } from './attribute.ts'
import type { Scope } from './condition.ts'
import type { Candidate, Evaluation, Overrides } from './evaluation.ts'
import { createAssignment } from './experiment.ts'
import type { FlagsDocument } from './flags-document.ts'
import { bytesOf } from './hash.ts'
import { type PreparedFlag, prepareFlag } from './prepare-flag.ts'
import { run } from './program.ts'
import { createScope } from './scope.ts'

/** A document of flags, made ready: everything that does not depend on whom it is evaluated for is done. */
export type Flags = {
  /** By code units. */
  readonly keys: readonly string[]
  readonly scope: Scope
  /** Its type, and what comes with each of its evaluations; undefined for a flag that there is not. */
  find(key: string): Pick<PreparedFlag, 'type' | 'metadata'> | undefined
  factsOf(subject: Subject): Facts
  /** Undefined for a flag that there is not. Never throws: a context can be anything. */
  evaluate(key: string, facts: Facts, overrides: Overrides): Evaluation | undefined
  /** Of every flag, in the order of `keys`. */
  evaluateAll(facts: Facts, overrides: Overrides): Evaluation[]
  /** What may decide a flag, in its order; undefined for a flag that there is not. */
  candidatesOf(key: string, overrides: Overrides): readonly Candidate[] | undefined
  /** The variant that a running experiment gives a unit in this run; undefined where it gives none. */
  variantOf(experiment: string, run: number, unit: string): string | undefined
}

/**
 * Makes a document that was checked ready. The time of an evaluation is linear in the document: each attribute is read once,
 * each audience tried once, each rule once.
 */
export const prepareFlags = (document: FlagsDocument): Flags => {
  const attributes = createAttributes(document.attributes)
  const { scope, assembler, audiences, start } = createScope(document, attributes)
  const experiments = Map.groupBy(Object.entries(document.experiments).sort(byPriority), ([, { flag }]) => flag)
  const prepared = new Map<string, PreparedFlag>()
  for (const [key, flag] of Object.entries(document.flags).sort(byKey))
    prepared.set(key, prepareFlag({ key, flag, experiments: experiments.get(key) ?? [], scope, assembler }))
  const program = start()

  const decide = (key: string, flag: PreparedFlag, facts: Facts, overrides: Overrides): Evaluation => {
    if (!flag.enabled) return flag.otherwise
    const first = firstOf(flag.experiments, facts) ?? firstOf(overrides.get(key), facts)
    if (first) return first
    const decided = flag.outcomes[run(program, flag.rulesAt, facts)]
    return typeof decided === 'function' ? decided(facts) : (decided ?? flag.otherwise)
  }

  return {
    keys: [...prepared.keys()],
    scope,
    find: (key) => prepared.get(key),
    factsOf: (subject) => attributes.factsOf(subject, audiences),
    evaluate: (key, facts, overrides) => {
      const flag = prepared.get(key)
      return flag && decide(key, flag, facts, overrides)
    },
    evaluateAll: (facts, overrides) => {
      const evaluations: Evaluation[] = []
      for (const [key, flag] of prepared) evaluations.push(decide(key, flag, facts, overrides))
      return evaluations
    },
    candidatesOf: (key, overrides) => {
      const flag = prepared.get(key)
      if (!flag) return undefined
      return flag.enabled ? [...flag.experiments, ...(overrides.get(key) ?? []), ...flag.rules] : []
    },
    variantOf: (key, number, unit) => {
      const experiment = document.experiments[key]
      if (experiment?.state !== 'running' || experiment.run !== number) return undefined
      const assigned = createAssignment(key, experiment)(bytesOf(unit))
      return typeof assigned === 'number' ? experiment.split[assigned]?.variant : undefined
    },
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** Of two the one with the higher priority comes first, then the first by its key. */
export const byPriority = (
  a: readonly [string, { readonly priority: number }],
  b: readonly [string, { readonly priority: number }],
): number => b[1].priority - a[1].priority || byKey(a, b)

const firstOf = (candidates: readonly Candidate[] | undefined, facts: Facts): Evaluation | undefined => {
  for (const candidate of candidates ?? []) {
    const decided = candidate.decide(facts)
    if (typeof decided !== 'string') return decided
  }
  return undefined
}
