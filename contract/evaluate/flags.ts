import { type Attributes, createAttributes, type Facts, type Subject } from './attribute.ts'
import { compileCondition, type Scope, type Test } from './condition.ts'
import {
  type Candidate,
  createEvaluation,
  type Evaluation,
  type Metadata,
  type Overrides,
  type Reason,
} from './evaluation.ts'
import { createAssignment } from './experiment.ts'
import type { Experiment, Flag, FlagsDocument, FlagType, Rule } from './flags-document.ts'
import { bucketOf, bytesOf, seedOf } from './hash.ts'
import { createPlaces } from './split.ts'

/** A document of flags, made ready: everything that does not depend on whom it is evaluated for is done. */
export type Flags = {
  /** By code units. */
  readonly keys: readonly string[]
  readonly scope: Scope
  typeOf(key: string): FlagType | undefined
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

type Prepared = {
  readonly type: FlagType
  readonly enabled: boolean
  readonly experiments: readonly Candidate[]
  readonly rules: readonly Candidate[]
  readonly otherwise: Evaluation
}

const nothing: readonly Candidate[] = []

/**
 * Makes a document that was checked ready. The time of an evaluation is linear in the document: each attribute is read once,
 * each audience tried once, each rule once.
 */
export const prepareFlags = (document: FlagsDocument): Flags => {
  const attributes = createAttributes(document.attributes)
  const { scope, audiences } = createScope(document, attributes)
  const experiments = Map.groupBy(
    Object.entries(document.experiments).sort(byPriority),
    ([, experiment]) => experiment.flag,
  )
  const keys = Object.keys(document.flags).sort()
  const prepared = new Map<string, Prepared>()
  for (const key of keys) {
    const flag = document.flags[key]
    if (flag) prepared.set(key, prepareFlag({ key, flag, experiments: experiments.get(key) ?? [], scope }))
  }

  const decide = (
    { enabled, experiments: own, rules, otherwise }: Prepared,
    more: readonly Candidate[],
    facts: Facts,
  ) => (enabled ? (first(own, facts) ?? first(more, facts) ?? first(rules, facts) ?? otherwise) : otherwise)

  return {
    keys,
    scope,
    typeOf: (key) => prepared.get(key)?.type,
    factsOf: (subject) => attributes.factsOf(subject, audiences),
    evaluate: (key, facts, overrides) => {
      const flag = prepared.get(key)
      return flag && decide(flag, overrides.get(key) ?? nothing, facts)
    },
    evaluateAll: (facts, overrides) => {
      const evaluations: Evaluation[] = []
      for (const [key, flag] of prepared) evaluations.push(decide(flag, overrides.get(key) ?? nothing, facts))
      return evaluations
    },
    candidatesOf: (key, overrides) => {
      const flag = prepared.get(key)
      if (!flag) return undefined
      return flag.enabled ? [...flag.experiments, ...(overrides.get(key) ?? []), ...flag.rules] : []
    },
    variantOf: (key, run, unit) => {
      const experiment = document.experiments[key]
      if (experiment?.state !== 'running' || experiment.run !== run) return undefined
      const assigned = createAssignment(key, experiment)(bytesOf(unit))
      return typeof assigned === 'number' ? experiment.split[assigned]?.variant : undefined
    },
  }
}

/** Of two the one with the higher priority comes first, then the first by its key. */
export const byPriority = (
  [a, { priority: ofA }]: readonly [string, { readonly priority: number }],
  [b, { priority: ofB }]: readonly [string, { readonly priority: number }],
): number => ofB - ofA || (a < b ? -1 : 1)

const first = (candidates: readonly Candidate[], facts: Facts): Evaluation | undefined => {
  for (const candidate of candidates) {
    const decided = candidate.decide(facts)
    if (typeof decided !== 'string') return decided
  }
  return undefined
}

/** Audiences are compiled when a rule first speaks of them: one may speak of another that stands below it. */
const createScope = (document: FlagsDocument, attributes: Attributes) => {
  const names = Object.keys(document.audiences)
  const tests = new Map<string, Test>()
  const scope: Scope = {
    attributes,
    conditionOf: (name) => document.audiences[name]?.if,
    audience: (name) => {
      const known = tests.get(name)
      if (known) return known
      const audience = document.audiences[name]
      if (!audience) return undefined
      const slot = names.indexOf(name)
      const compiled = compileCondition(audience.if, scope)
      const test: Test = (facts) => {
        const before = facts.audiences[slot]
        if (before !== undefined) return before
        const holds = compiled(facts)
        facts.audiences[slot] = holds
        return holds
      }
      tests.set(name, test)
      return test
    },
  }
  return { scope, audiences: names.length }
}

type Given = {
  readonly key: string
  readonly flag: Flag
  readonly experiments: readonly (readonly [string, Experiment])[]
  readonly scope: Scope
}

const prepareFlag = ({ key, flag, experiments, scope }: Given): Prepared => {
  const evaluationOf = createEvaluations(key, flag)
  const rules = flag.rules.map((rule, at) => ruleCandidate({ key, flag, rule, at, scope, evaluationOf }))
  const own = experiments.flatMap(([name, experiment]) =>
    experimentCandidate({ name, experiment, scope, evaluationOf }),
  )
  const otherwise = flag.enabled ? (rules.length + own.length > 0 ? 'DEFAULT' : 'STATIC') : 'DISABLED'
  return {
    type: flag.type,
    enabled: flag.enabled,
    experiments: own,
    rules,
    otherwise: evaluationOf(flag.default, otherwise),
  }
}

type EvaluationOf = (variant: string, reason: Reason, metadata?: Metadata) => Evaluation

/** A flag's answers. Rules that give the same variant for the same reason share one. */
const createEvaluations = (key: string, flag: Flag): EvaluationOf => {
  const made = new Map<string, Evaluation>()
  return (variant, reason, metadata) => {
    const all = { ...flag.metadata, ...metadata }
    const name = `${reason} ${variant} ${metadata ? JSON.stringify(metadata) : ''}`
    const evaluation =
      made.get(name) ??
      createEvaluation({
        key,
        value: flag.variants[variant],
        variant,
        reason,
        ...(Object.keys(all).length > 0 ? { metadata: all } : {}),
      })
    made.set(name, evaluation)
    return evaluation
  }
}

const always: Test = () => true

type RuleGiven = {
  readonly key: string
  readonly flag: Flag
  readonly rule: Rule
  readonly at: number
  readonly scope: Scope
  readonly evaluationOf: EvaluationOf
}

const ruleCandidate = ({ key, flag, rule, at, scope, evaluationOf }: RuleGiven): Candidate => {
  const test = rule.if ? compileCondition(rule.if, scope) : always
  const as = { source: 'rule', name: String(at), pointer: `/flags/${key}/rules/${at}/if`, condition: rule.if } as const
  if (!rule.split) {
    const evaluation = evaluationOf(rule.serve ?? flag.default, 'TARGETING_MATCH')
    return { ...as, decide: (facts) => (test(facts) ? evaluation : 'condition') }
  }
  const { attributes } = scope
  const slot = attributes.slotOf(flag.unit)
  const seed = seedOf(`flag/${key}`)
  const placeOf = createPlaces(rule.split)
  const arms = rule.split.map(({ variant }) => evaluationOf(variant, 'SPLIT'))
  const missing = createEvaluation({
    key,
    errorCode: flag.unit === 'targetingKey' ? 'TARGETING_KEY_MISSING' : 'INVALID_CONTEXT',
    errorDetails: `the flag is split by ${flag.unit}, which the context does not have as a text`,
  })
  return {
    ...as,
    decide: (facts) => {
      if (!test(facts)) return 'condition'
      const unit = slot === undefined ? null : attributes.unit(facts, slot)
      return unit === null ? missing : (arms[placeOf(bucketOf(seed, unit))] ?? missing)
    },
  }
}

type ExperimentGiven = {
  readonly name: string
  readonly experiment: Experiment
  readonly scope: Scope
  readonly evaluationOf: EvaluationOf
}

/** One that is drafted or paused, or concluded without a winner, decides nothing. */
const experimentCandidate = ({ name, experiment, scope, evaluationOf }: ExperimentGiven): Candidate[] => {
  const { state, run, winner } = experiment
  const test = experiment.if ? compileCondition(experiment.if, scope) : always
  const as = { source: 'experiment', name, pointer: `/experiments/${name}/if`, condition: experiment.if } as const
  if (state === 'concluded' && winner !== undefined) {
    const evaluation = evaluationOf(winner, 'TARGETING_MATCH')
    return [{ ...as, decide: (facts) => (test(facts) ? evaluation : 'condition') }]
  }
  if (state !== 'running') return []
  const { attributes } = scope
  const slot = attributes.slotOf(experiment.unit)
  const assign = createAssignment(name, experiment)
  const arms = experiment.split.map(({ variant }) =>
    evaluationOf(variant, 'SPLIT', { experiment: name, experimentRun: run }),
  )
  const decide: Candidate['decide'] = (facts) => {
    if (!test(facts)) return 'condition'
    const unit = slot === undefined ? null : attributes.unit(facts, slot)
    if (unit === null) return 'unit'
    const assigned = assign(unit)
    return typeof assigned === 'string' ? assigned : (arms[assigned] ?? 'traffic')
  }
  return [{ ...as, decide }]
}
