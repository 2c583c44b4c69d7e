import * as z from 'zod'
import { listedMax } from './content.ts'
import { comparedMax, explainedSchema } from './evaluate/explain.ts'
import { keySchema } from './evaluate/flags-document.ts'
import { defineRoute, direct, localEvaluation } from './route.ts'
import { timeSchema } from './scalars.ts'

/** Attributes of whoever asks; `targetingKey` is what they are told apart by. OFREP asks for an object, and no more. */
export const contextSchema = z
  .record(z.string(), z.unknown())
  .meta({ id: 'EvaluationContext', description: 'Attributes; `targetingKey` names whom or what is evaluated for.' })

const requestSchema = z.object({ context: contextSchema }).meta({ id: 'EvaluationRequest' })

/** What comes along is one level deep: OpenFeature takes nothing else. */
const metadataSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))

export const evaluationSchema = z
  .object({
    key: z.string(),
    value: z.unknown(),
    variant: z.string(),
    reason: z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED']),
    metadata: metadataSchema.optional(),
  })
  .meta({ id: 'FlagEvaluation' })

/** The error codes of OpenFeature that an evaluation can end with. */
export const evaluationErrorCodes = [
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'FLAG_NOT_FOUND',
  'GENERAL',
] as const
export type EvaluationErrorCode = (typeof evaluationErrorCodes)[number]

const evaluationFailureSchema = z
  .object({ key: z.string(), errorCode: z.enum(evaluationErrorCodes), errorDetails: z.string() })
  .meta({ id: 'FlagEvaluationFailure' })

/**
 * How a route of OFREP says no, `application/json`. Beside what OFREP knows it has our own code and the request's id.
 * @see https://github.com/open-feature/protocol
 */
export const ofrepErrorSchema = z
  .object({
    /** Of the flag that was asked for; absent where all were. */
    key: z.string().optional(),
    errorCode: z.enum(evaluationErrorCodes),
    errorDetails: z.string(),
    code: z.string(),
    requestId: z.string(),
  })
  .meta({ id: 'OfrepError' })

/** What an OpenFeature provider sends after it was told of a change; nothing here depends on it. */
const changeQuery = z.object({
  flagConfigEtag: z.string().max(256).optional(),
  flagConfigLastModified: z.string().max(64).optional(),
})

export const evaluateFlags = defineRoute({
  method: 'POST',
  path: '/ofrep/v1/evaluate/flags',
  summary: 'Evaluate every flag (OFREP)',
  description:
    'With `If-None-Match` 304, where every flag still evaluates to the same. A flag that cannot be evaluated stands among the others with its error.',
  access: 'app',
  cell: 'nearest',
  delivery: localEvaluation('flags'),
  errorFormat: 'ofrep',
  query: changeQuery,
  body: requestSchema,
  status: 200,
  answer: z
    .object({ flags: z.array(z.union([evaluationSchema, evaluationFailureSchema])) })
    .meta({ id: 'FlagEvaluations' }),
  errors: [],
})

export const evaluateFlag = defineRoute({
  method: 'POST',
  path: '/ofrep/v1/evaluate/flags/{key}',
  summary: 'Evaluate a flag (OFREP)',
  access: 'app',
  cell: 'nearest',
  delivery: localEvaluation('flag'),
  errorFormat: 'ofrep',
  params: z.object({ key: z.string().min(1).max(256) }),
  body: requestSchema,
  status: 200,
  answer: evaluationSchema,
  errors: ['not_found', 'targeting_key_missing'],
})

/** Flags that one question names at the most. */
const namedMax = 100

export const evaluateAs = defineRoute({
  method: 'POST',
  path: '/v1/admin/flags/evaluate',
  summary: 'See what somebody gets, and why',
  description: `Evaluates as an edge would for this context, and tells of each flag what was looked at, in its order, and how it went. The comparisons of an audience stand where it is first asked for; after ${comparedMax} comparisons the results stand alone.`,
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  body: z
    .strictObject({
      context: contextSchema,
      /** What the edge itself would know: `player.id`, `edge.country`, `edge.continent`. */
      known: z.record(z.string(), z.string()).default({}),
      /** Absent for all; of those then the first hundred by their keys. */
      flags: z.array(keySchema).min(1).max(namedMax).optional(),
      document: z.enum(['live', 'draft']).default('live'),
      /** The moment to evaluate at; absent for now. */
      at: timeSchema.optional(),
    })
    .meta({ id: 'EvaluateAs' }),
  status: 200,
  answer: z
    .object({
      /** Of the live documents that this was evaluated with; null for a draft, or where nothing is live. */
      numbers: z.object({ flags: z.int().nullable(), 'live-events': z.int().nullable() }),
      at: timeSchema,
      flags: z
        .array(
          z.object({ result: z.union([evaluationSchema, evaluationFailureSchema]), steps: z.array(explainedSchema) }),
        )
        .max(listedMax),
    })
    .meta({ id: 'EvaluateAsAnswer' }),
  errors: ['content_invalid'],
})
