import * as z from 'zod'

// What the gate of compatibility can judge, written as what it reads: every object is closed, so a keyword that nobody taught
// it stops the gate instead of passing it.

const jsonTypeSchema = z.enum(['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'])

/** What is for people, or for tools that take no decision by it. A change of it breaks nobody. */
const remark = z.unknown().optional()

/** The keywords of JSON Schema 2020-12 that the gate judges. */
export const schemaSchema = z.strictObject({
  title: remark,
  description: remark,
  $comment: remark,
  examples: remark,
  deprecated: remark,
  $ref: z.string().optional(),
  type: z.union([jsonTypeSchema, z.array(jsonTypeSchema)]).optional(),
  const: z.json().optional(),
  enum: z.array(z.json()).optional(),
  default: z.json().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  pattern: z.string().optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  exclusiveMaximum: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  get items() {
    return schemaSchema.optional()
  },
  get properties() {
    return z.record(z.string(), schemaSchema).optional()
  },
  required: z.array(z.string()).optional(),
  get additionalProperties() {
    return z.union([z.boolean(), schemaSchema]).optional()
  },
  get propertyNames() {
    return schemaSchema.optional()
  },
  get allOf() {
    return z.array(schemaSchema).optional()
  },
  get anyOf() {
    return z.array(schemaSchema).optional()
  },
  get oneOf() {
    return z.array(schemaSchema).optional()
  },
  /** The form of the subject; it makes a schema an event's. */
  'x-perigee-aggregate': z.string().optional(),
})
export type Schema = z.infer<typeof schemaSchema>

export const eventDocumentSchema = z.strictObject({
  $schema: remark,
  $id: remark,
  title: remark,
  description: remark,
  $defs: z.record(z.string(), schemaSchema),
})
export type EventDocument = z.infer<typeof eventDocumentSchema>

const referenceSchema = z.strictObject({ $ref: z.string() })

const parameterSchema = z.strictObject({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().default(false),
  schema: schemaSchema,
  description: remark,
})

const headerSchema = z.strictObject({ schema: schemaSchema, description: remark })

const contentSchema = z.record(z.string(), z.strictObject({ schema: schemaSchema }))

const operationSchema = z.strictObject({
  tags: remark,
  summary: remark,
  description: remark,
  deprecated: remark,
  'x-perigee-delivery': remark,
  'x-perigee-cell': remark,
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(z.union([referenceSchema, parameterSchema])).default([]),
  requestBody: z
    .strictObject({ required: z.boolean().default(false), content: contentSchema, description: remark })
    .optional(),
  responses: z.record(
    z.string().regex(/^[2345]\d\d$/),
    z.strictObject({
      description: remark,
      headers: z.record(z.string(), z.union([referenceSchema, headerSchema])).default({}),
      content: contentSchema.default({}),
    }),
  ),
})

export const apiDocumentSchema = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.looseObject({ version: z.string() }),
  servers: remark,
  paths: z.record(z.string(), z.partialRecord(z.enum(['get', 'post', 'patch', 'put', 'delete']), operationSchema)),
  components: z.strictObject({
    schemas: z.record(z.string(), schemaSchema),
    securitySchemes: z.record(z.string(), z.looseObject({ description: remark })),
    headers: z.record(z.string(), headerSchema),
    parameters: z.record(z.string(), parameterSchema),
  }),
})
export type ApiDocument = z.infer<typeof apiDocumentSchema>
export type Operation = z.infer<typeof operationSchema>
export type Parameter = z.infer<typeof parameterSchema>
export type Response = Operation['responses'][string]
export type Header = z.infer<typeof headerSchema>
