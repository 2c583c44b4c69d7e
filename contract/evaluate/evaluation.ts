import type { Facts } from './attribute.ts'
import type { Condition } from './condition.ts'
import type { FlagType } from './flags-document.ts'

/** Why a flag is what it is, in the words of OpenFeature. @see https://openfeature.dev/specification/types/#resolution-reason */
export type Reason = 'STATIC' | 'DEFAULT' | 'TARGETING_MATCH' | 'SPLIT' | 'DISABLED'

export type Metadata = Readonly<Record<string, string | number | boolean>>

export type Answer =
  | {
      readonly key: string
      readonly value: unknown
      readonly variant: string
      readonly reason: Reason
      readonly metadata?: Metadata
    }
  | {
      readonly key: string
      readonly errorCode: 'TARGETING_KEY_MISSING' | 'INVALID_CONTEXT'
      readonly errorDetails: string
    }

/** An answer that a flag can give, made once with its document and shared by all who get it. */
export type Evaluation = {
  readonly answer: Answer
  /** The answer as JSON text, written when it is first wanted. */
  readonly text: string
}

/** @param type of the flag, where the answer has a value of it */
export const createEvaluation = (answer: Answer, type?: FlagType): Evaluation => {
  let text: string | undefined
  return {
    answer,
    get text() {
      text ??= type === 'number' && 'value' in answer ? withFraction(answer) : JSON.stringify(answer)
      return text
    },
  }
}

/**
 * A number with its point, `1.0`: languages that tell whole numbers from fractions go by it, and an SDK that is asked for a
 * fraction refuses a `1`.
 */
const withFraction = ({ key, value, ...rest }: Extract<Answer, { value: unknown }>): string => {
  const written = JSON.stringify(value)
  const number = /^-?\d+$/.test(written) ? `${written}.0` : written
  return `{"key":${JSON.stringify(key)},"value":${number},${JSON.stringify(rest).slice(1)}`
}

/** Why something did not decide a flag: whom it is for, no unit to tell apart, another experiment's share, not in the traffic. */
export type Miss = 'condition' | 'unit' | 'exclusion' | 'traffic'

/** Something that may decide a flag. The first that does is it. */
export type Candidate = {
  readonly source: 'experiment' | 'live-event' | 'rule'
  /** The experiment's key, the run's id, the place of the rule. */
  readonly name: string
  /** Where its condition stands in its document; for whoever explains. */
  readonly pointer: string
  readonly condition: Condition | undefined
  readonly decide: (facts: Facts) => Evaluation | Miss
}

/** What else can decide flags, by their keys, each list in its order. */
export type Overrides = ReadonlyMap<string, readonly Candidate[]>
