import * as z from 'zod'
import { contentKinds } from './content.ts'
import { defineEvent, events } from './events.ts'
import { cellSchema, keyIdSchema, operatorIdSchema, playerIdSchema } from './ids.ts'
import { roles } from './rights.ts'
import { balanceSchema, currencyCodeSchema, timeSchema } from './scalars.ts'

/**
 * What the control cell tells the others, on a topic of its own that is nobody else's business: it carries hashes of
 * credentials and keys. Each is the whole state of one thing; the newer version counts.
 */
export const replicas = {
  'perigee.replica.credential.v1': defineEvent({
    description: 'Whose a credential is; null for one that was given up.',
    aggregate: 'credential:{provider}:{credentialHash}',
    data: z.object({
      provider: z.string(),
      credentialHash: z.string(),
      playerId: playerIdSchema.nullable(),
      createdAt: timeSchema,
    }),
  }),
  'perigee.replica.key.v1': defineEvent({
    description: 'A key that callers present, as it is now.',
    aggregate: 'key:{keyId}',
    data: z.object({
      keyId: keyIdSchema,
      kind: z.enum(['publishable', 'server', 'operator']),
      name: z.string(),
      prefix: z.string(),
      hash: z.string(),
      origins: z.array(z.string()),
      /** Absent from a core of a release before there was one. */
      homeCell: cellSchema.nullable().default(null),
      role: z.enum(roles).nullable(),
      scopes: z.array(z.string()),
      operatorId: operatorIdSchema.nullable(),
      createdAt: timeSchema,
      expiresAt: timeSchema.nullable(),
      revokedAt: timeSchema.nullable(),
    }),
  }),
  'perigee.replica.currency.v1': defineEvent({
    description: 'A currency that is declared.',
    aggregate: 'currency:{code}',
    data: z.object({ code: currencyCodeSchema, cap: balanceSchema }),
  }),
  'perigee.replica.content.v1': defineEvent({
    description: 'A document that was published, as edges evaluate it.',
    aggregate: 'content:{kind}',
    data: z.object({
      kind: z.enum(contentKinds),
      number: z.int().positive(),
      hash: z.string(),
      /** JSON text; the hash is of its bytes. */
      compiled: z.string(),
      author: z.string(),
      note: z.string(),
      rolledBackTo: z.int().positive().nullable(),
      publishedAt: timeSchema,
    }),
  }),
} as const

export type ReplicaType = keyof typeof replicas

export const isReplicaType = (type: string): type is ReplicaType => Object.hasOwn(replicas, type)

/** Everything that leaves through the outbox: for all the world, or for the other cells. */
export const leaving = { ...events, ...replicas }

export type LeavingType = keyof typeof leaving
export type LeavingData<Type extends LeavingType> = z.infer<(typeof leaving)[Type]['data']>

/** A question to the control cell's directory of credentials, between cores. */
export const directoryQuestionSchema = z.discriminatedUnion('ask', [
  /** Whose is it? */
  z.strictObject({ ask: z.literal('find'), provider: z.string(), credentialHash: z.string() }),
  /** It is to be this player's, if it is nobody's. Answered with whose it is now. */
  z.strictObject({
    ask: z.literal('claim'),
    provider: z.string(),
    credentialHash: z.string(),
    playerId: playerIdSchema,
  }),
  /** It is no longer this player's, if it was. */
  z.strictObject({
    ask: z.literal('release'),
    provider: z.string(),
    credentialHash: z.string(),
    playerId: playerIdSchema,
  }),
  /** All that were the one player's are to be the other's. Answered with how many were. */
  z.strictObject({ ask: z.literal('move'), from: playerIdSchema, to: playerIdSchema }),
])
export type DirectoryQuestion = z.infer<typeof directoryQuestionSchema>

/** Whose a credential is; null for nobody's. */
export const directoryAnswerSchema = z.object({
  playerId: playerIdSchema.nullable(),
  version: z.int().nonnegative(),
  createdAt: timeSchema,
})
export type DirectoryAnswer = z.infer<typeof directoryAnswerSchema>

/** How many credentials a move has moved; 0 when it was made before. */
export const directoryMovedSchema = z.object({ moved: z.int().nonnegative() })
export type DirectoryMoved = z.infer<typeof directoryMovedSchema>
