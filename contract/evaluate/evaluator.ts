import type { Facts, Subject } from './attribute.ts'
import type { Active, Calendar, EventRun } from './calendar.ts'
import { type Candidate, createEvaluation, type Evaluation, type Overrides } from './evaluation.ts'
import { createTelling, type Explained, explain, type Telling } from './explain.ts'
import type { Flags } from './flags.ts'
import { isOfType } from './value.ts'

/** Flags and the live events that decide some of them, together. Pure: the same subject gets the same, everywhere. */
export type Evaluator = {
  /** Undefined for a flag that there is not. */
  evaluate(key: string, subject: Subject): Evaluation | undefined
  /** Every flag, by its key. */
  evaluateAll(subject: Subject): Evaluation[]
  /**
   * The same as `evaluate`, with everything that was looked at on the way. Explanations of one answer share a `telling`, which
   * bounds them.
   */
  explain(
    key: string,
    subject: Subject,
    telling?: Telling,
  ): { readonly evaluation: Evaluation; readonly steps: Explained[] } | undefined
  /** The runs that a calendar shows to a subject. */
  shownTo(subject: Subject): EventRun[]
  /** Whether an event is for a subject: one for an audience that there is not is for nobody. */
  isFor(event: EventRun['event'], subject: Subject): boolean
}

export const createEvaluator = (flags: Flags, calendar: Calendar): Evaluator => {
  let known: { readonly active: Active; readonly overrides: Overrides } | undefined
  const overridesAt = (now: number): Overrides => {
    const active = calendar.activeAt(now)
    if (known?.active !== active) known = { active, overrides: overridesOf(flags, active) }
    return known.overrides
  }
  const isForFacts = ({ audience }: EventRun['event'], facts: Facts) =>
    audience === undefined || (flags.scope.audience(audience)?.(facts) ?? false)
  return {
    evaluate: (key, subject) => flags.evaluate(key, flags.factsOf(subject), overridesAt(subject.now)),
    evaluateAll: (subject) => flags.evaluateAll(flags.factsOf(subject), overridesAt(subject.now)),
    explain: (key, subject, telling = createTelling()) => {
      const overrides = overridesAt(subject.now)
      const facts = flags.factsOf(subject)
      const evaluation = flags.evaluate(key, facts, overrides)
      const candidates = flags.candidatesOf(key, overrides)
      return (
        evaluation && candidates && { evaluation, steps: explain(candidates, { facts, scope: flags.scope, telling }) }
      )
    },
    shownTo: (subject) => {
      const facts = flags.factsOf(subject)
      return calendar.shownAt(subject.now).filter(({ event }) => isForFacts(event, facts))
    },
    isFor: (event, subject) => isForFacts(event, flags.factsOf(subject)),
  }
}

/** What the runs that are on say of flags, in the order of the runs. A value of another type than its flag's says nothing. */
const overridesOf = (flags: Flags, { runs }: Active): Overrides => {
  const overrides = new Map<string, Candidate[]>()
  for (const { key, event, run } of runs) {
    const condition = event.audience === undefined ? undefined : { audience: event.audience }
    const test = condition && (flags.scope.audience(condition.audience) ?? (() => false))
    for (const [flagKey, value] of Object.entries(event.flags)) {
      const flag = flags.find(flagKey)
      if (!flag || !isOfType(flag.type, value)) continue
      const metadata = { ...flag.metadata, liveEvent: key, liveEventRun: run.runId }
      const answer = { key: flagKey, value, variant: key, reason: 'TARGETING_MATCH', metadata } as const
      const evaluation = createEvaluation(answer, flag.type)
      const candidate: Candidate = {
        source: 'live-event',
        name: run.runId,
        pointer: `/events/${key}/audience`,
        condition,
        decide: (facts) => (test === undefined || test(facts) ? evaluation : 'condition'),
      }
      overrides.set(flagKey, [...(overrides.get(flagKey) ?? []), candidate])
    }
  }
  return overrides
}
