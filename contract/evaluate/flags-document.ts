import * as z from 'zod'
import { attributePattern, attributeTypes } from './attribute.ts'
import type { Condition } from './condition.ts'
import { basisPointsMax } from './hash.ts'

/** What flags, experiments, audiences, events and variants are called. */
export const keySchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'not a key such as new-shop: small letters, digits, - and _, 64 at the most')

export const attributeNameSchema = z.string().regex(attributePattern, 'not the name of an attribute such as device.os')

const description = z.string().max(500).optional()
const basisPoints = z.int().min(0).max(basisPointsMax)
const priority = z.int().min(-1_000).max(1_000).default(0)

/** Checked by `faultsOfCondition`, which can say more of what is wrong than a schema of alternatives. */
const conditionSchema = z.custom<Condition>((value) => typeof value === 'object' && value !== null, 'not a condition')

/** Entries of a member at the most. With `documentBytesMax` they bound what an isolate holds and what an evaluation looks at. */
export const entriesMax = {
  attributes: 200,
  audiences: 500,
  flags: 2_000,
  experiments: 500,
  variants: 50,
  rules: 100,
  metadata: 20,
}

const sizeOf = (value: unknown): number => (typeof value === 'object' && value !== null ? Object.keys(value).length : 0)

/** Counted before any entry is looked at: what is wrong with each of a million takes seconds to say. */
const atMost = (max: number) =>
  z.unknown().refine((value) => sizeOf(value) <= max, { error: `more than ${max} entries`, abort: true })

/** An object of at most `max` members, by their keys. */
export const table = <Value extends z.ZodType>(value: Value, max: number, key: z.ZodType<string, string> = keySchema) =>
  atMost(max).pipe(z.record(key, value))

/** An array of `min` to `max` elements. */
export const list = <Value extends z.ZodType>(
  value: Value,
  { min = 0, max }: { readonly min?: number; readonly max: number },
) => atMost(max).pipe(z.array(value).min(min))

/** Whatever JSON text says, as it was read. `z.json()` looks into every number of it, which takes seconds for a large one. */
export const valueSchema = z.unknown()

/** Shares of a whole, in the order in which they take their places: who grows the first one moves nobody out of it. */
const splitSchema = list(z.strictObject({ variant: keySchema, basisPoints }), { min: 1, max: entriesMax.variants })
  .refine(
    (arms) => arms.reduce((sum, arm) => sum + arm.basisPoints, 0) === basisPointsMax,
    `the shares must be ${basisPointsMax} basis points together`,
  )
  .refine((arms) => new Set(arms.map(({ variant }) => variant)).size === arms.length, 'a variant stands twice')
export type Split = z.output<typeof splitSchema>

const ruleSchema = z
  .strictObject({
    description,
    /** Absent for everybody. */
    if: conditionSchema.optional(),
    /** The variant that all get whom it is for. */
    serve: keySchema.optional(),
    /** Or the shares in which they get several. */
    split: splitSchema.optional(),
  })
  .refine((rule) => (rule.serve === undefined) !== (rule.split === undefined), 'must have either serve or split')
export type Rule = z.output<typeof ruleSchema>

export const flagTypes = ['boolean', 'string', 'integer', 'number', 'object'] as const
export type FlagType = (typeof flagTypes)[number]

const flagSchema = z.strictObject({
  description,
  type: z.enum(flagTypes),
  /** Off, everybody gets the default, with the reason DISABLED. */
  enabled: z.boolean().default(true),
  variants: table(valueSchema, entriesMax.variants).refine(
    (variants) => Object.keys(variants).length > 0,
    'has no variant',
  ),
  /** The variant of whom no rule is for. */
  default: keySchema,
  /** The attribute by whose value splits tell units apart. */
  unit: attributeNameSchema.default('targetingKey'),
  /** The first that is for somebody decides. */
  rules: list(ruleSchema, { max: entriesMax.rules }).default([]),
  /** Comes with every evaluation. */
  metadata: table(
    z.union([z.string().max(256), z.number(), z.boolean()]),
    entriesMax.metadata,
    z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'not a name such as owner'),
  ).default({}),
})
export type Flag = z.output<typeof flagSchema>

export const experimentStates = ['draft', 'running', 'paused', 'concluded'] as const

const experimentSchema = z.strictObject({
  description,
  flag: keySchema,
  /**
   * In a draft nobody is. Paused, nobody is either, and whoever was comes back to the same variant. Concluded, all whom it is
   * for get the winner.
   */
  state: z.enum(experimentStates),
  /** Raised to begin anew: units are drawn again, and each is counted again. */
  run: z.int().min(1).max(2_147_483_647).default(1),
  /** Absent for everybody. */
  if: conditionSchema.optional(),
  unit: attributeNameSchema.default('targetingKey'),
  /** Which share of those whom it is for takes part. To grow it moves nobody. */
  trafficBasisPoints: basisPoints,
  /** Among those who take part. */
  split: splitSchema,
  /** Experiments of one group share out its units: nobody is in two of them. `from` is inclusive, `to` exclusive. */
  exclusion: z
    .strictObject({ group: keySchema, from: basisPoints, to: basisPoints })
    .refine(({ from, to }) => from < to, 'from must be below to')
    .optional(),
  /** Of several for one flag the highest decides; then the first by its key. */
  priority,
  /** The variant that stays when it is concluded; absent for none. */
  winner: keySchema.optional(),
})
export type Experiment = z.output<typeof experimentSchema>

/** Flags, and what their rules speak of. What only the whole can tell is checked at publish. */
export const flagsDocumentSchema = z.strictObject({
  attributes: table(
    z.strictObject({ description, type: z.enum(attributeTypes) }),
    entriesMax.attributes,
    attributeNameSchema,
  ).default({}),
  /** Conditions with a name. They may speak of each other, but not in a circle. */
  audiences: table(z.strictObject({ description, if: conditionSchema }), entriesMax.audiences).default({}),
  flags: table(flagSchema, entriesMax.flags).default({}),
  experiments: table(experimentSchema, entriesMax.experiments).default({}),
})
export type FlagsDocument = z.output<typeof flagsDocumentSchema>

/** What is evaluated where nothing was published. */
export const noFlags: FlagsDocument = { attributes: {}, audiences: {}, flags: {}, experiments: {} }
