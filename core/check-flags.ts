import type { ContentFault } from '#contract/content.ts'
import { type AttributeType, builtIns, isReserved } from '#contract/evaluate/attribute.ts'
import { audiencesOf, faultsOfCondition, type Vocabulary } from '#contract/evaluate/check-condition.ts'
import type { Documents } from '#contract/evaluate/compiled.ts'
import type { Experiment, Flag, FlagsDocument, Rule, Split } from '#contract/evaluate/flags-document.ts'
import { isOfType } from '#contract/evaluate/value.ts'
import { faultsOfEach, memberOf, pointerOf, unless } from './content-checks.ts'

/**
 * What no schema can see of flags: names that nothing has, values of another type, circles, experiments that share units, and
 * a change that would draw the units of a running experiment anew. `live` is what the document would take the place of.
 */
export const checkFlags = (document: FlagsDocument, live: Documents): ContentFault[] => {
  const { attributes, audiences, flags, experiments } = document
  const types = new Map<string, AttributeType>([
    ...Object.entries(attributes).map(([name, { type }]) => [name, type] as const),
    ...Object.entries(builtIns),
  ])
  const vocabulary: Vocabulary = { types, audiences: new Set(Object.keys(audiences)) }
  const faults = [
    ...Object.keys(attributes).flatMap((name) =>
      unless(!isReserved(name), pointerOf('attributes', name), 'is known without being declared'),
    ),
    ...faultsOfEach(audiences, (name, audience) =>
      faultsOfCondition(audience.if, pointerOf('audiences', name, 'if'), vocabulary),
    ),
    ...faultsOfEach(flags, (key, flag) => checkFlag(key, flag, vocabulary)),
    ...faultsOfEach(experiments, (key, experiment) =>
      checkExperiment(key, experiment, { document, vocabulary, before: memberOf(live.flags.experiments, key) }),
    ),
    ...checkExclusions(experiments),
    ...checkWhatEventsSay(document, live),
  ]
  // A circle is looked for once every name means something.
  return faults.length > 0 ? faults : checkCircles(document)
}

const checkUnit = (unit: string, { types }: Vocabulary, pointer: string): ContentFault[] =>
  unless(types.get(unit) === 'string', pointer, 'is no declared attribute of type string')

const checkSplit = (split: Split, flag: Flag, pointer: string): ContentFault[] =>
  split.flatMap(({ variant }, at) =>
    unless(Object.hasOwn(flag.variants, variant), `${pointer}/${at}/variant`, 'the flag has no such variant'),
  )

/** Pointers to rules are put together of what is written already: to escape each part anew took longer than all the checks. */
const checkFlag = (key: string, flag: Flag, vocabulary: Vocabulary): ContentFault[] => {
  const at = pointerOf('flags', key)
  const hasVariant = (variant: string) => Object.hasOwn(flag.variants, variant)
  const checkRule = (rule: Rule, pointer: string): ContentFault[] => [
    ...(rule.if ? faultsOfCondition(rule.if, `${pointer}/if`, vocabulary) : []),
    ...unless(rule.serve === undefined || hasVariant(rule.serve), `${pointer}/serve`, 'the flag has no such variant'),
    ...(rule.split ? checkSplit(rule.split, flag, `${pointer}/split`) : []),
  ]
  return [
    ...Object.entries(flag.variants).flatMap(([name, value]) =>
      unless(isOfType(flag.type, value), at + pointerOf('variants', name), `is not of type ${flag.type}`),
    ),
    ...unless(hasVariant(flag.default), `${at}/default`, 'the flag has no such variant'),
    ...checkUnit(flag.unit, vocabulary, `${at}/unit`),
    ...flag.rules.flatMap((rule, index) => checkRule(rule, `${at}/rules/${index}`)),
  ]
}

type Beside = {
  readonly document: FlagsDocument
  readonly vocabulary: Vocabulary
  /** The experiment as it is live. */
  readonly before: Experiment | undefined
}

const checkExperiment = (
  key: string,
  experiment: Experiment,
  { document, vocabulary, before }: Beside,
): ContentFault[] => {
  const at = (...names: string[]) => pointerOf('experiments', key, ...names)
  const flag = memberOf(document.flags, experiment.flag)
  if (!flag) return [{ pointer: at('flag'), detail: 'there is no such flag' }]
  const { winner, split } = experiment
  return [
    ...(experiment.if ? faultsOfCondition(experiment.if, at('if'), vocabulary) : []),
    ...checkUnit(experiment.unit, vocabulary, at('unit')),
    ...checkSplit(split, flag, at('split')),
    ...(winner === undefined
      ? []
      : unless(Object.hasOwn(flag.variants, winner), at('winner'), 'the flag has no such variant')),
    ...(before ? checkSticky(experiment, before, at) : []),
  ]
}

/**
 * Whoever takes part in a run keeps their variant: what decides it stays as it is, also when the run is over and might be taken
 * up again, until a new run draws anew.
 */
const checkSticky = (
  experiment: Experiment,
  before: Experiment,
  at: (...names: string[]) => string,
): ContentFault[] => {
  if (before.state === 'draft' || experiment.run !== before.run)
    return unless(experiment.run >= before.run, at('run'), `was ${before.run} before: a run does not come back`)
  if (experiment.state === 'draft')
    return [{ pointer: at('state'), detail: 'has begun in this run: raise run to draft it anew' }]
  const keeps = (member: 'flag' | 'unit' | 'split', detail: string) =>
    unless(JSON.stringify(experiment[member]) === JSON.stringify(before[member]), at(member), detail)
  const detail = 'would give units that take part another variant: raise run to begin anew'
  return [...keeps('flag', detail), ...keeps('unit', detail), ...keeps('split', detail)]
}

/** Whether units take part, or come back to take part. */
const takesShares = ({ state }: Experiment) => state === 'running' || state === 'paused'

/** Experiments of a group that have begun take shares of its units that do not overlap, and tell units apart by the same attribute. */
const checkExclusions = (experiments: FlagsDocument['experiments']): ContentFault[] => {
  const members = Object.entries(experiments).filter(([, experiment]) => takesShares(experiment))
  const groups = Map.groupBy(members, ([, { exclusion }]) => exclusion?.group)
  groups.delete(undefined)
  return [...groups.values()].flatMap((group) =>
    group.flatMap(([key, { unit, exclusion }], index) =>
      group.slice(0, index).flatMap(([other, { unit: ofOther, exclusion: its }]) => {
        const apart = !exclusion || !its || exclusion.to <= its.from || its.to <= exclusion.from
        return [
          ...unless(apart, pointerOf('experiments', key, 'exclusion'), `overlaps with that of ${other}`),
          ...unless(
            unit === ofOther,
            pointerOf('experiments', key, 'unit'),
            `is not that of ${other}, of the same group`,
          ),
        ]
      }),
    ),
  )
}

/** Live events that are live speak of flags and audiences: those may not go, nor become something else. */
const checkWhatEventsSay = ({ flags, audiences }: FlagsDocument, live: Documents): ContentFault[] =>
  Object.entries(live['live-events'].events).flatMap(([key, event]) => [
    ...(event.audience === undefined
      ? []
      : unless(
          Object.hasOwn(audiences, event.audience),
          '/audiences',
          `the live event ${key} is for the audience ${event.audience}`,
        )),
    ...Object.entries(event.flags).flatMap(([name, value]) => {
      const flag = memberOf(flags, name)
      return flag
        ? unless(
            isOfType(flag.type, value),
            pointerOf('flags', name, 'type'),
            `the live event ${key} gives it a value of another type`,
          )
        : [{ pointer: '/flags', detail: `the live event ${key} gives ${name} a value` }]
    }),
  ])

const checkCircles = ({ audiences }: FlagsDocument): ContentFault[] => {
  const done = new Set<string>()
  const visit = (name: string, path: readonly string[]): ContentFault[] => {
    if (path.includes(name))
      return [{ pointer: pointerOf('audiences', name, 'if'), detail: `is a circle: ${[...path, name].join(', ')}` }]
    const audience = memberOf(audiences, name)
    if (!audience || done.has(name)) return []
    const faults = audiencesOf(audience.if).flatMap((inner) => visit(inner, [...path, name]))
    done.add(name)
    return faults
  }
  return Object.keys(audiences).flatMap((name) => visit(name, []))
}
