import * as z from 'zod'

export type Json = { readonly [member: string]: unknown }

/** Who reads a schema: `input` what a caller may send, `output` what a reader may receive. */
export type Direction = 'input' | 'output'

/**
 * The schemas of one document. Those that carry an id are written once, below `prefix` (`#/$defs/`), and referred to.
 * `convert` throws where two schemas have one id: the second would silently take the place of the first.
 */
export const createNamedSchemas = (prefix: string) => {
  const named: Record<string, Json> = {}

  const convert = (schema: z.ZodType, io: Direction): Json => {
    const {
      $schema: _,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, { io, unrepresentable: 'any', override: plain(io) })
    const moved = JSON.parse(JSON.stringify({ json, $defs }).replaceAll('"#/$defs/', `"${prefix}`))
    for (const [id, definition] of Object.entries<Json>(moved.$defs)) {
      if (named[id] && JSON.stringify(named[id]) !== JSON.stringify(definition))
        throw new Error(`two schemas have the id ${id}`)
      named[id] = definition
    }
    return moved.json
  }
  /** Describes a schema of ours under an id; answers with the reference to it. */
  const refer = (id: string, definition: () => Json): Json => {
    named[id] ??= definition()
    return { $ref: prefix + id }
  }
  return {
    convert,
    refer,
    /** What was named so far, by name. */
    all: () => Object.fromEntries(Object.entries(named).sort(([a], [b]) => a.localeCompare(b))),
  }
}

export type NamedSchemas = ReturnType<typeof createNamedSchemas>

/** An answer may gain members, so a reader must not refuse them; `format` says of a time what its pattern would. */
const plain =
  (io: Direction) =>
  ({ jsonSchema }: { jsonSchema: { additionalProperties?: unknown; format?: string; pattern?: string } }) => {
    if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
  }
