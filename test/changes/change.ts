/** One change of a document: a value put at a JSON Pointer, or taken away from there. */
export type Edit = { readonly at: string; readonly value?: unknown }

/** A change of a published document, under the guarantee that is read from it, and what the gate must say of it. */
export type Change = {
  readonly name: string
  /** What both documents are given first, where the real ones hold nothing of the kind. */
  readonly given?: readonly Edit[]
  readonly edits: readonly Edit[]
  /** Pointer and fact of every break, in the order in which they are found. None: the change is harmless. */
  readonly breaks: readonly (readonly [pointer: string, fact: string])[]
}

/** An edit that puts a value at a place, over what is there. */
export const put = (at: string, value: unknown): Edit => ({ at, value })
/** An edit that takes away what stands at a place. */
export const drop = (at: string): Edit => ({ at })

export const breaking = (
  name: string,
  edits: Edit | readonly Edit[],
  breaks: Change['breaks'],
  given: readonly Edit[] = [],
): Change => ({ name, edits: [edits].flat(), breaks, given })
export const harmless = (name: string, edits: Edit | readonly Edit[], given: readonly Edit[] = []): Change =>
  breaking(name, edits, [], given)

/** Schemas for many changes: a text, and two objects that a tag tells apart. */
export const text = { type: 'string' }
export const granted = { type: 'object', properties: { kind: { const: 'granted' } }, required: ['kind'] }
export const spent = { type: 'object', properties: { kind: { const: 'spent' } }, required: ['kind'] }

/** A copy with the edits made. @throws Error for a place that is not there */
export const edited = (document: unknown, edits: readonly Edit[]): unknown => {
  const copy: unknown = structuredClone(document)
  for (const { at, ...edit } of edits) {
    const path = at.split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = path.pop() ?? ''
    const holder = path.slice(1).reduce<unknown>((value, name) => memberOf(value, name), copy)
    if (typeof holder !== 'object' || holder === null) throw new Error(`nothing holds ${at}`)
    if ('value' in edit) Object.assign(holder, { [last]: edit.value })
    else if (!Reflect.has(holder, last)) throw new Error(`${at} is not there`)
    else if (Array.isArray(holder)) holder.splice(Number(last), 1)
    else Reflect.deleteProperty(holder, last)
  }
  return copy
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
