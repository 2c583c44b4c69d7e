import * as z from 'zod'
import { auditIdSchema, keyIdSchema, operatorIdSchema } from './ids.ts'
import { nextCursor, pageQuery } from './page.ts'
import { roles } from './rights.ts'
import { defineRoute, direct, forwarded } from './route.ts'
import { timeSchema } from './scalars.ts'

const roleSchema = z.enum(roles)

const accountSchema = z
  .object({ operatorId: operatorIdSchema, name: z.string(), role: roleSchema })
  .meta({ id: 'Operator' })

export const operatorSessionSchema = z
  .object({
    operator: accountSchema,
    /** Sent as `Authorization: Bearer`; told once. */
    key: z.string(),
    expiresAt: timeSchema,
  })
  .meta({ id: 'OperatorSession' })
export type OperatorSession = z.infer<typeof operatorSessionSchema>

export const createOperatorSession = defineRoute({
  method: 'POST',
  path: '/v1/admin/sessions',
  summary: 'Sign in as an operator',
  description:
    'The key lives for eight hours, or until the session, the account or its role ends. A code is taken once: who has to call again waits for the next one.',
  access: 'public',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'none' }),
  body: z
    .strictObject({
      /** What the account was made with, `os_…`. */
      secret: z.string().min(1).max(128),
      /** The six digits of the authenticator. */
      code: z.string().regex(/^[0-9]{6}$/, 'not a code of six digits'),
    })
    .meta({ id: 'OperatorCredential' }),
  status: 200,
  answer: operatorSessionSchema,
  errors: ['credential_invalid'],
})

export const endOperatorSession = defineRoute({
  method: 'DELETE',
  path: '/v1/admin/sessions/current',
  summary: 'Sign out as an operator',
  description:
    'A retry whose first call came through is answered `key_invalid`: the session is over, which is what was asked for. A key that no sign-in made has no session.',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  status: 200,
  answer: z.object({ endedAt: timeSchema }).meta({ id: 'OperatorSessionEnd' }),
  errors: ['not_found'],
})

export const getOperator = defineRoute({
  method: 'GET',
  path: '/v1/admin/me',
  summary: 'Read who you are as an operator',
  access: 'operator',
  role: 'viewer',
  cell: 'control',
  delivery: direct,
  status: 200,
  answer: z
    .object({
      /** Null for a key that no sign-in made. */
      operatorId: operatorIdSchema.nullable(),
      /** Of the operator, or of the key that no sign-in made. */
      name: z.string(),
      role: roleSchema,
      keyId: keyIdSchema,
      /** Null for a key that is good until it is revoked. */
      expiresAt: timeSchema.nullable(),
    })
    .meta({ id: 'OwnOperator' }),
  errors: [],
})

const auditEntrySchema = z
  .object({
    auditId: auditIdSchema,
    at: timeSchema,
    /** `operator:opr_…`, `key:key_…`, `command`, or `unknown` for somebody who did not get in. */
    actor: z.string(),
    /** What was done, `operator.sign-in`. */
    action: z.string(),
    /** To what, `operator:opr_…`. */
    subject: z.string(),
    /** What else there is to say of an act of this kind. */
    detail: z.record(z.string(), z.unknown()),
    requestId: z.string(),
  })
  .meta({ id: 'AuditEntry' })

/** An actor or a subject in full. */
const filterSchema = z.string().regex(/^[\x21-\x7e]{1,128}$/, '1 to 128 printable ASCII characters without spaces')

export const listAuditLog = defineRoute({
  method: 'GET',
  path: '/v1/admin/audit',
  summary: 'List what was done, and by whom',
  description:
    'The latest first. Each cell keeps the log of what was done in it; this is that of the control cell, where operators sign in.',
  access: 'operator',
  role: 'admin',
  cell: 'control',
  delivery: direct,
  query: z.object({ subject: filterSchema.optional(), actor: filterSchema.optional(), ...pageQuery }),
  status: 200,
  answer: z.object({ entries: z.array(auditEntrySchema), nextCursor }).meta({ id: 'AuditLog' }),
  errors: [],
})
