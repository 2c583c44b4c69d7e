import type { Facts } from './attribute.ts'
import type { Scope, Test } from './condition.ts'
import { type Candidate, createEvaluation, type Evaluation, type Metadata, type Reason } from './evaluation.ts'
import { createAssignment } from './experiment.ts'
import type { Experiment, Flag, FlagType, Rule } from './flags-document.ts'
import { bucketOf, seedOf } from './hash.ts'
import { type Assembler, run } from './program.ts'
import { createPlaces } from './split.ts'

/** What somebody gets whom a rule is for: one answer, or one of several by their unit. */
type Outcome = Evaluation | ((facts: Facts) => Evaluation)

/** A flag, made ready. */
export type PreparedFlag = {
  readonly type: FlagType
  readonly metadata: Metadata
  readonly enabled: boolean
  readonly experiments: readonly Candidate[]
  /** Where the rules begin in the program: it answers with the place of the first that is for somebody, or their number. */
  readonly rulesAt: number
  /** By the place of the rule. */
  readonly outcomes: readonly Outcome[]
  /** The same rules, for whoever explains. */
  readonly rules: readonly Candidate[]
  readonly otherwise: Evaluation
}

type Given = {
  readonly key: string
  readonly flag: Flag
  readonly experiments: readonly (readonly [string, Experiment])[]
  readonly scope: Scope
  readonly assembler: Assembler
}

export const prepareFlag = ({ key, flag, experiments, scope, assembler }: Given): PreparedFlag => {
  const evaluationOf = createEvaluations(key, flag)
  const outcomes = flag.rules.map((rule) => outcomeOf({ key, flag, rule, scope, evaluationOf }))
  const rulesAt = flag.rules.reduceRight(
    (next, rule, at) => (rule.if ? assembler.add(rule.if, { ifTrue: ~at, ifFalse: next }) : ~at),
    ~flag.rules.length,
  )
  const own = experiments.flatMap(([name, experiment]) =>
    experimentCandidate({ name, experiment, scope, evaluationOf }),
  )
  const otherwise = flag.enabled ? (outcomes.length + own.length > 0 ? 'DEFAULT' : 'STATIC') : 'DISABLED'
  return {
    type: flag.type,
    metadata: flag.metadata,
    enabled: flag.enabled,
    experiments: own,
    rulesAt,
    outcomes,
    rules: flag.rules.map((rule, at) => ({
      source: 'rule',
      name: String(at),
      pointer: `/flags/${key}/rules/${at}/if`,
      condition: rule.if,
      decide: (facts) => {
        const outcome = run(scope.program(), rulesAt, facts) === at ? outcomes[at] : undefined
        return typeof outcome === 'function' ? outcome(facts) : (outcome ?? 'condition')
      },
    })),
    otherwise: evaluationOf(flag.default, otherwise),
  }
}

type EvaluationOf = (variant: string, reason: Reason, metadata?: Metadata) => Evaluation

/** A flag's answers. Rules that give the same variant for the same reason share one. */
const createEvaluations = (key: string, flag: Flag): EvaluationOf => {
  const made = new Map<string, Evaluation>()
  return (variant, reason, metadata) => {
    const name = `${reason} ${variant} ${metadata ? JSON.stringify(metadata) : ''}`
    const known = made.get(name)
    if (known) return known
    const all = { ...flag.metadata, ...metadata }
    const value = flag.variants[variant]
    const metadataOf = Object.keys(all).length > 0 ? { metadata: all } : {}
    const evaluation = createEvaluation({ key, value, variant, reason, ...metadataOf }, flag.type)
    made.set(name, evaluation)
    return evaluation
  }
}

type OfRule = {
  readonly key: string
  readonly flag: Flag
  readonly rule: Rule
  readonly scope: Scope
  readonly evaluationOf: EvaluationOf
}

const outcomeOf = ({ key, flag, rule, scope, evaluationOf }: OfRule): Outcome => {
  if (!rule.split) return evaluationOf(rule.serve ?? flag.default, 'TARGETING_MATCH')
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
  return (facts) => {
    const unit = slot === undefined ? null : attributes.unit(facts, slot)
    return unit === null ? missing : (arms[placeOf(bucketOf(seed, unit))] ?? missing)
  }
}

type OfExperiment = {
  readonly name: string
  readonly experiment: Experiment
  readonly scope: Scope
  readonly evaluationOf: EvaluationOf
}

const always: Test = () => true

/** One that is drafted or paused, or concluded without a winner, decides nothing. */
const experimentCandidate = ({ name, experiment, scope, evaluationOf }: OfExperiment): Candidate[] => {
  const { state, run: number, winner } = experiment
  const test = experiment.if ? scope.test(experiment.if) : always
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
    evaluationOf(variant, 'SPLIT', { experiment: name, experimentRun: number }),
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
